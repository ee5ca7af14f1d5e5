/// Session: one allocator during a replay, from its first pass to its last. Known only by this interface,
/// so that passes of several allocators can take turns; inside a pass no call is virtual.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "allocators/contract/model.hpp"
#include "bench/replay/latency.hpp"
#include "bench/replay/observation.hpp"
#include "bench/replay/workload.hpp"

namespace kmemlab::replay {

struct PassTime {
    double wall_ns = 0;
    double cpu_ns = 0;
};

class Session {
  public:
    virtual ~Session() = default;
    [[nodiscard]] virtual const ModelInfo& info() const = 0;
    [[nodiscard]] virtual const Workload& work() const = 0;

    /// The first pass; once, before all others.
    [[nodiscard]] virtual Observation observe(const ObserveOptions& options) = 0;
    /// Makes the caches for the passes that are measured, and performs all operations once, unmeasured.
    virtual void warm_up() = 0;
    /// Performs all operations without timers in between.
    [[nodiscard]] virtual PassTime throughput_pass() = 0;
    /// Times each operation. `samples` has room for all.
    virtual void latency_pass(LatencySamples& samples) = 0;
};

/// A session of the allocator of that name; the workload must outlive it. Throws UsageError if there is no
/// such allocator or it cannot be built with these settings.
[[nodiscard]] std::unique_ptr<Session> open_session(std::string_view name, std::span<const Setting> settings,
                                                    const Workload& work);

/// A session that does nothing: the harness's own cost.
[[nodiscard]] std::unique_ptr<Session> open_null_session(const Workload& work);

/// The part of a trace that an allocator replays: stacks or areas if it has them, pages if it has pages and
/// no object caches, else objects.
[[nodiscard]] Part part_of(std::string_view name);

}  // namespace kmemlab::replay

/// A replay: the operations of a recorded kernel, performed by one or more allocators.
///
/// One thread plays all CPUs of the trace in its order. Each allocator is built once and goes through
///
///     observe        fresh: paths, memory over time, every law, every object's content   (observer.hpp)
///     warm up        once, unmeasured
///     throughput     no timers in between   \  as often as asked, the allocators taking turns, each time
///     latency        each operation timed   /  beginning with another one
///
/// What is observed is the same in every run; what is measured is compared within one run.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "allocators/base/tunable.hpp"
#include "allocators/contract/registry.hpp"
#include "bench/replay/observation.hpp"
#include "bench/replay/repetitions.hpp"
#include "bench/replay/session.hpp"
#include "bench/trace/trace.hpp"

namespace kmemlab::replay {

/// Who is at work, for a progress line.
struct Stage {
    std::string what;  ///< "observe slub", "measure"
    std::uint64_t done = 0;
    std::uint64_t total = 0;
};

struct Options {
    std::vector<std::string> allocators;
    std::vector<Setting> settings;
    unsigned repetitions = 20;
    ObserveOptions observe;  ///< its progress and interrupted are set from the two below
    std::function<void(const Stage&)> progress;
    std::function<bool()> interrupted;
    /// What an interrupted run measured of the same allocators doing the same: the run goes on behind it.
    Repetitions before;
};

struct AllocatorResult {
    std::string name;
    std::string follows;
    Part part{};
    Observation observed;
};

/// A peer whose library is not there.
struct Skipped {
    std::string name;
    std::string why;
};

struct Result {
    std::vector<AllocatorResult> allocators;
    Repetitions measured;  ///< whole ones; after an interrupt those before it
    std::vector<Skipped> skipped;
    std::vector<Setting> tunables;   ///< those of the allocators that ran, with their values
    std::uint64_t not_replayed = 0;  ///< operations of parts that no allocator here replays
    bool interrupted = false;

    /// Of an allocator: empty if it was only observed.
    [[nodiscard]] const Measured& measured_of(const std::string& name) const;
    /// Of a throughput pass that allocates nothing; 0 if nothing was measured.
    [[nodiscard]] double harness_ns_per_op(Part part) const;
    /// True if an allocator broke a law.
    [[nodiscard]] bool found_violation() const;
};

/// The settings with what a replay adds: as many CPUs as the trace has, at least 2, unless the user chose.
/// Throws UsageError if he chose fewer than the trace has.
[[nodiscard]] std::vector<Setting> with_cpus(std::vector<Setting> settings, unsigned trace_cpus);

/// Throws UsageError: unknown allocator or setting, a trace without events of a layer asked for, a machine
/// that cannot be built, repetitions to go on with that are of something else.
[[nodiscard]] Result replay(const trace::Trace& trace, const Options& options);

}  // namespace kmemlab::replay

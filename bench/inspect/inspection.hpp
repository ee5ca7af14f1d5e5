/// Inspection: one allocator that a trace is replayed on, up to any operation, to look at what it has become.
///
///     open_inspection -> advance(n) -> list(), show(cache), map()     as text, or as a map of all pages
///                        advance(m) -> ...                            any number of times, forwards
///
/// Operations are those of the part of the trace that the allocator replays (workload.hpp), performed without
/// checks and timers. What the recording leaves allocated stays so. The object allocators show their caches;
/// buddy, and what else stands on pages alone (vmalloc, kernel stacks), shows zones.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "allocators/base/tunable.hpp"
#include "bench/inspect/page_map.hpp"
#include "bench/replay/workload.hpp"
#include "bench/trace/trace.hpp"

namespace kmemlab::inspect {

class Inspection {
  public:
    virtual ~Inspection() = default;
    [[nodiscard]] virtual const replay::Workload& work() const = 0;

    /// Performs operations until so many are done: at least as many as before, at most all.
    virtual void advance(std::uint64_t operations) = 0;
    [[nodiscard]] virtual std::uint64_t done() const = 0;
    /// Allocations among them that got nothing.
    [[nodiscard]] virtual std::uint64_t failures() const = 0;

    /// The caches to choose from; the zones, if there are no caches.
    [[nodiscard]] virtual std::string list() = 0;
    /// The cache of that name, or that serves the trace's cache of that name. Throws UsageError that lists
    /// the names there are.
    [[nodiscard]] virtual std::string show(std::string_view cache) = 0;
    [[nodiscard]] virtual PageMap map(OwnerTable& table) = 0;
    [[nodiscard]] virtual const Arena& arena() = 0;
    [[nodiscard]] virtual std::uint64_t pageblock_pages() = 0;
};

/// Throws UsageError if there is no such allocator, if it has no page allocator of ours below it, or if it
/// cannot be built with these settings.
void check_inspectable(std::string_view allocator, std::span<const Setting> settings);
/// The same, and if the trace has nothing for it. As many CPUs as the trace has must be set
/// (replay::with_cpus).
[[nodiscard]] std::unique_ptr<Inspection> open_inspection(std::string_view allocator,
                                                          std::span<const Setting> settings,
                                                          const trace::Trace& trace);

}  // namespace kmemlab::inspect

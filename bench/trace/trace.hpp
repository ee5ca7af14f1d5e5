/// A recorded run of a kernel, resolved into operations on objects.
///
/// What goes in is the text of ftrace, `trace-cmd report` or `perf script` (text.hpp), plain or compressed
/// by zstd or gzip, or our packed form (packed.hpp). Addresses become object numbers (operation.hpp).
///
/// A recording is a window: some things were allocated before it, and some events are missing in it.
/// Nothing is guessed, everything is counted (TraceCounts):
///  - a free of what was not seen to be allocated is no operation;
///  - an address given out again without a free seen: the earlier object stays live to the end;
///  - kfree(NULL) and failed allocations are no operations;
///  - mm_page_free_batched only annotates a mm_page_free of the same pfn (before or after it, as kernels
///    differ): it frees nothing by itself;
///  - a block of pages freed with another order than it was allocated with (it was split) ends there as a
///    whole; the frees of its other parts find no allocation.
///
/// Memory: 24 bytes per operation (with its time), and what is live; nothing grows with the text.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/trace/operation.hpp"

namespace kmemlab::trace {

/// Events of the kernel that are read, in the order of TraceCounts::events.
enum class Event : std::uint8_t {
    kmalloc,
    kmalloc_node,
    kmem_cache_alloc,
    kmem_cache_alloc_node,
    kfree,
    kmem_cache_free,
    mm_page_alloc,
    mm_page_free,
    mm_page_free_batched,
    alloc_vmap_area,
    free_vmap_area_noflush,
    purge_vmap_area_lazy,
};
inline constexpr unsigned event_count = 12;
[[nodiscard]] std::string_view to_string(Event event);

struct Cache {
    std::string name;
    std::uint32_t object_size = 0;  ///< bytes; the largest seen if several caches share a name

    friend bool operator==(const Cache&, const Cache&) = default;
};

struct TraceCounts {
    using PerLayer = std::array<std::uint64_t, layer_count>;

    std::uint64_t lines = 0;
    std::array<std::uint64_t, event_count> events{};
    std::uint64_t other_events = 0;  ///< lines of events that are none of ours
    std::uint64_t lost_events = 0;   ///< as far as the kernel tells in numbers
    std::uint64_t lost_reports = 0;  ///< lines that say that events were lost

    std::uint64_t null_frees = 0;          ///< kfree(NULL)
    std::uint64_t failed_allocations = 0;  ///< the kernel got nothing
    std::uint64_t unknown_addresses = 0;   ///< printed as (____ptrval____): they match nothing

    PerLayer frees_without_allocation{};
    PerLayer addresses_reused_without_free{};
    PerLayer never_freed{};

    std::uint64_t batched_without_free = 0;  ///< mm_page_free_batched with no mm_page_free beside it
    std::uint64_t freed_with_other_order = 0;
    std::uint64_t freed_under_other_name = 0;  ///< kmem_cache_free names another cache than the allocation
    std::uint64_t freed_by_other_call = 0;     ///< kfree of a cache's object, kmem_cache_free of a kmalloc
    std::uint64_t cache_sizes_differ = 0;      ///< allocations of another size than their cache had so far
    std::uint64_t gfp_names_unknown = 0;       ///< names or bits of GFP flags that were dropped
    std::uint64_t times_backwards = 0;         ///< events older than the one before: taken as simultaneous

    std::uint64_t requested_bytes = 0;   ///< sum of bytes_req of allocations that succeeded
    std::uint64_t handed_out_bytes = 0;  ///< sum of bytes_alloc: what the recorded kernel gave for them

    [[nodiscard]] std::uint64_t kernel_events() const;
    friend bool operator==(const TraceCounts&, const TraceCounts&) = default;
};

struct Trace {
    std::string name;  ///< of the file, without folder and endings; "stdin" for a pipe
    std::vector<Operation> operations;
    std::vector<std::uint64_t> times;  ///< of each operation: nanoseconds since the first event, ascending
    std::vector<Cache> caches;
    std::vector<std::string> call_sites;                       ///< [0] is empty
    std::array<std::uint32_t, layer_count> slots_per_layer{};  ///< see slots()
    unsigned cpus = 0;                                         ///< 1 + the highest CPU seen
    TraceCounts counts;

    /// Object numbers of a layer are below this: the most that lived at once.
    [[nodiscard]] std::uint32_t slots(Layer layer) const {
        return slots_per_layer[static_cast<unsigned>(layer)];
    }
};

struct Progress {
    std::uint64_t done = 0;   ///< bytes of the file, as it lies on the disk
    std::uint64_t total = 0;  ///< 0 if unknown (a pipe)
};

struct ReadOptions {
    /// Called on the reading thread about every 4 MiB of text, and at the end with done == total.
    std::function<void(const Progress&)> progress;
};

/// Reads a trace of any form from a file, a pipe, or standard input ("-"). Throws UsageError, one line with
/// file, line and what was expected: an unreadable, empty, truncated, binary or damaged file, a line that
/// cannot be parsed, an event of ours that lacks a field, a recording without a single event of ours.
[[nodiscard]] Trace read_trace(const std::string& path, const ReadOptions& options = {});

/// Writes the packed form to a temporary name beside `path` and renames it. Throws UsageError if anything
/// cannot be written; then nothing is left behind.
void write_packed(const Trace& trace, const std::string& path);

}  // namespace kmemlab::trace

/// What an observed pass finds out: everything about an allocator's behaviour that is the same in every run.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "allocators/contract/allocator.hpp"

namespace kmemlab::replay {

struct Moment {
    std::uint64_t operation = 0;  ///< so many operations of the layer were done
    double time_s = 0;            ///< in the trace
    std::uint64_t requested_bytes = 0;
    std::uint64_t handed_out_bytes = 0;
    std::uint64_t held_bytes = 0;
    std::uint64_t metadata_bytes = 0;
    FreeBlocks free_blocks;
};

/// Fragmentation at one moment, by huge page (huge_pages.hpp).
struct HugePageMap {
    std::uint64_t operation = 0;
    double time_s = 0;
    std::vector<std::uint16_t> free_pages;
};

struct Snapshot {
    std::uint64_t operation = 0;
    std::vector<Text> texts;
};

struct Observation {
    std::uint64_t operations = 0;
    std::uint64_t failures = 0;       ///< allocations that returned null
    std::string failure_reason;       ///< what the allocator says of them; empty: nothing
    std::uint64_t frees_skipped = 0;  ///< frees of what had not been got
    PathCounts allocations{};
    PathCounts frees{};
    PathCounts frees_on_other_cpu{};  ///< those among them that end what another CPU allocated
    std::vector<Moment> timeline;
    std::vector<HugePageMap> huge_pages;  ///< empty where no page allocator lies below
    std::vector<Snapshot> snapshots;
    std::uint64_t checks = 0;  ///< how often find_violation walked everything
    std::optional<std::string> violation;
    std::optional<std::uint64_t> address_hash;
    std::optional<std::size_t> bytes_per_frame;
};

struct ObserveOptions {
    std::uint64_t check_every = 1000;      ///< operations between two full checks; 0: only at the end
    std::size_t moments = 200;             ///< in the timeline, about
    std::size_t maps = 24;                 ///< of huge pages, about
    std::vector<std::uint64_t> snapshots;  ///< after so many operations of the layer, ascending
    bool snapshot_at_end = false;          ///< after the last operation, before the leftovers are freed
    std::function<void(std::uint64_t done, std::uint64_t total)> progress;
    std::function<bool()> interrupted;  ///< asked beside progress; the observation then ends early
};

}  // namespace kmemlab::replay

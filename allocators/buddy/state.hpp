/// A recorded state of zones (tests/golden, buddytrace files: rows S and E), put into a buddy allocator or
/// read from one, list by list in order. For replaying what a real kernel did from where it stood.
#pragma once

#include <cstdint>
#include <vector>

#include "allocators/buddy/buddy.hpp"

namespace kmemlab {

struct FreeListEntry {
    Order order;
    MigrateType type{};
    Pfn pfn;
    friend bool operator==(const FreeListEntry&, const FreeListEntry&) = default;
};

struct PageSetEntry {
    CpuId cpu;
    unsigned list = 0;
    Pfn pfn;
    MigrateType type{};  ///< remembered
    friend bool operator==(const PageSetEntry&, const PageSetEntry&) = default;
};

struct PageSetState {
    CpuId cpu;
    std::int64_t high = 0;
    std::int64_t batch = 1;
    std::uint64_t free_factor = 0;
    std::int64_t free_pages_difference = 0;
};

struct PageblockEntry {
    Pfn pfn;
    MigrateType type{};
    friend bool operator==(const PageblockEntry&, const PageblockEntry&) = default;
};

/// One zone; entries of each list from head to tail. What is on no list is in use.
struct ZoneState {
    Watermarks marks;
    std::uint64_t boost = 0;
    std::uint64_t reserved_highatomic = 0;
    std::int64_t free_pages = 0;  ///< the global counter
    ZoneCounts lowmem_reserve{};
    std::vector<PageblockEntry> pageblocks;
    std::vector<FreeListEntry> free_lists;
    std::vector<PageSetState> page_sets;
    std::vector<PageSetEntry> page_set_entries;
    std::vector<Pfn> lru;  ///< frames in use that count as movable
};

/// Makes the zone's state the given one; frames on no list become `reserved`, one by one.
template <class Cpus>
void restore(Zone<Cpus>& zone, const Arena& arena, const ZoneState& state);

/// The free lists and page lists of the zone, in order, with its pageblock types and marks.
template <class Cpus>
[[nodiscard]] ZoneState record(const Zone<Cpus>& zone, const Arena& arena, unsigned cpus);

}  // namespace kmemlab

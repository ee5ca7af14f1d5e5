/// The buddy page allocator: blocks of 2^order page frames out of the zones of an arena.
///
///     request (gfp, order) -> zones from the highest allowed one down -> watermark test
///        -> order 0..3: this CPU's page list, refilled in batches from the free lists
///        -> larger, or nothing there: the zone's free lists, splitting; other migrate types (zone.hpp)
///     free -> this CPU's page list, or merged into the free lists
///
/// Follows Linux 6.1 (BUDDY-1..110). Laws: B1..B17, M1..M5 (docs/invariants.md). Differences, and why:
///  - Nothing can be reclaimed, compacted or killed here. A request that may reclaim (BUDDY-77)
///    empties its own CPU's lists and counts instead, ends the boost of the watermarks and takes back the
///    HIGHATOMIC reserve once, and then gets null; NOFAIL takes the last page, and null only if there is
///    none but on other CPUs' lists.
///  - drain() ends the whole HIGHATOMIC reserve, whose rules (BUDDY-41) leave some pageblocks in it for ever.
///  - A pageblock that leaves the HIGHATOMIC reserve while it is free merges with its buddy at once; in
///    Linux it stays apart until one of the two is allocated and freed (B4, B16).
///  - Where a larger free block is stolen (BUDDY-34 b), pageblocks of the reserve inside it are counted out;
///    Linux forgets them, and its reserve looks larger than it is (B7).
///  - One NUMA node; no CMA, isolation, guard pages, memory hot plug or transparent-huge-page lists. Of B6
///    this leaves that a block lies on the list that its descriptor names: pages remember the type they had
///    on a CPU's list, so blocks of a HIGHATOMIC pageblock may lie on other lists, as in Linux.
///  - Descriptors of frames in holes exist and are zero: merging may read them (B17), nothing writes them.
///
/// Threads: each CPU's lists belong to whoever runs on it; zones are locked; counters are atomics. drain()
/// and find_violation() need everybody else outside.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "allocators/base/allocator_types.hpp"
#include "allocators/base/misuse.hpp"
#include "allocators/buddy/zone.hpp"

namespace kmemlab {

template <class Cpus>
class Buddy {
  public:
    /// The zones of `config.layout` over all of the arena, which must be fresh. Throws UsageError if they
    /// cannot be laid out or hold less than 64 pages.
    Buddy(Arena& arena, Cpus& cpus, const BuddyConfig& config, MisuseLog& misuse);
    /// The same with zones as given.
    Buddy(Arena& arena, Cpus& cpus, const BuddyConfig& config, MisuseLog& misuse,
          const std::vector<ZoneSpec>& zones);

    // PageSource
    [[nodiscard]] std::optional<Pfn> take(Order order, Gfp gfp, CpuId cpu) {
        const FrameIndex index = take_frames(gfp, order, cpu);
        if (index == no_frame) [[unlikely]] {
            return {};
        }
        return start_ + index;
    }
    void give(Pfn pfn, Order order, CpuId cpu) {
        give_frames(static_cast<FrameIndex>(pfn - start_), order, cpu);
    }
    [[nodiscard]] Arena& arena() { return arena_; }

    // The kernel's interface. Pages come with one reference; nullptr: no memory. By address no call is paid
    // where a page is on its CPU's list, whatever else a caller contains.
    [[nodiscard]] Page* alloc_pages(Gfp gfp, Order order, CpuId cpu) {
        const FrameIndex index = take_frames(gfp, order, cpu);
        return index == no_frame ? nullptr : pages_ + index;
    }
    [[nodiscard]] Page* alloc_page(Gfp gfp, CpuId cpu) { return alloc_pages(gfp, Order{0}, cpu); }
    // NOLINTNEXTLINE(bugprone-reserved-identifier): the kernel's name
    [[nodiscard, gnu::always_inline]] void* __get_free_pages(Gfp gfp, Order order, CpuId cpu) {
        const FrameIndex index = take_frames(gfp, order, cpu);
        return index == no_frame ? nullptr : memory_ + (std::size_t{index} << page_shift);
    }
    [[nodiscard]] void* get_zeroed_page(Gfp gfp, CpuId cpu) {
        return __get_free_pages(gfp | __GFP_ZERO, Order{0}, cpu);
    }
    /// The direct map's address of a page; nullptr for nullptr.
    [[nodiscard]] void* page_address(const Page* page) const {
        return page == nullptr ? nullptr : arena_.address_at(arena_.index(*page));
    }
    [[nodiscard]] Page* virt_to_page(const void* address) const { return pages_ + index_of(address); }
    /// Drops one reference; the last one frees the block. With a reference left, all of a non-compound block
    /// but its first page is freed at once (BUDDY-61).
    // NOLINTNEXTLINE(bugprone-reserved-identifier): the kernel's name
    void __free_pages(Page* page, Order order, CpuId cpu) { give_frames(arena_.index(*page), order, cpu); }
    [[gnu::always_inline]] void free_pages(void* address, Order order, CpuId cpu) {
        if (address != nullptr) give_frames(index_of(address), order, cpu);
    }
    void get_page(Page* page);
    void put_page(Page* page, CpuId cpu);

    /// Fills the null entries of `pages` with order-0 pages as far as it can; the number of entries that are
    /// filled then, from the start (BUDDY-63).
    std::size_t alloc_pages_bulk_array(Gfp gfp, std::span<Page*> pages, CpuId cpu);
    /// `bytes` rounded up to pages, the rest of the block given back; each page is its own (BUDDY-64).
    [[nodiscard]] void* alloc_pages_exact(std::size_t bytes, Gfp gfp, CpuId cpu);
    void free_pages_exact(void* address, std::size_t bytes, CpuId cpu);

    void drain_local_pages(CpuId cpu);
    /// CPUs ascending, zones ascending. Everybody else must be outside.
    void drain_all_pages(CpuId cpu);
    /// Gives the pageblocks of the HIGHATOMIC reserve back to `type`; the number of them.
    unsigned unreserve_highatomic_pageblocks(MigrateType type, CpuId cpu);

    // Allocator: sizes are rounded up to blocks.
    [[nodiscard]] void* allocate(const Request& request);
    void deallocate(void* p, CpuId cpu);
    [[nodiscard]] std::size_t usable_size(const void* p) const;
    [[nodiscard]] AllocatorStats stats() const;
    [[nodiscard]] Path last_path(CpuId cpu) { return std::exchange(stats_[cpu].last, Path::fast); }
    void drain(CpuId cpu);
    [[nodiscard]] MaybeViolation find_violation() const;
    [[nodiscard]] std::vector<Text> snapshot() const;
    [[nodiscard]] FreeBlocks free_blocks() const;

    /// Configured zones, ascending, populated or not.
    [[nodiscard]] std::span<const std::unique_ptr<Zone<Cpus>>> zones() const { return zones_; }
    [[nodiscard]] Zone<Cpus>& zone(std::size_t position) { return *zones_[position]; }
    /// Pages that callers hold: neither on a free list nor on a CPU's list.
    [[nodiscard]] std::uint64_t pages_in_use() const;
    [[nodiscard]] std::uint64_t min_free_kbytes() const { return min_free_kbytes_; }
    [[nodiscard]] unsigned cpu_count() const { return cpus_.count(); }

  private:
    /// What the bits of a request that choose zone and migrate type come to.
    struct Target {
        Zone<Cpus>* preferred = nullptr;              ///< the highest populated zone allowed
        unsigned highest = Zone<Cpus>::no_easy_mark;  ///< position of the highest zone allowed
        MigrateType type = MigrateType::unmovable;
        bool coherent = false;  ///< false: bits that exclude each other
        bool exists = false;    ///< some zone that is allowed has memory
    };
    struct FramesOfZone {
        FrameIndex start = 0;
        FrameIndex frames = 0;
        Zone<Cpus>* zone = nullptr;
    };
    struct Attempt {
        Gfp gfp;
        Order order;
        Target target;
    };
    struct CpuStats {
        Path last = Path::fast;
        PathCounts allocations{};  ///< those that were not fast
        PathCounts frees{};
    };

    void set_watermarks(const BuddyConfig& config);
    void make_targets();
    [[nodiscard]] Target make_target(Gfp gfp) const;
    [[nodiscard]] const Target& target_of(Gfp gfp) const {
        return targets_[gfp.bits() & (targets_.size() - 1)];
    }
    [[nodiscard]] Zone<Cpus>& zone_of(FrameIndex index) const;

    // no_frame: no memory
    [[nodiscard]] FrameIndex take_frames(Gfp gfp, Order order, CpuId cpu);
    [[nodiscard]] FrameIndex take_slow(Gfp gfp, Order order, CpuId cpu);
    [[nodiscard]] FrameIndex allocate_block(const Attempt& attempt, CpuId cpu);
    [[nodiscard]] FrameIndex try_zones(const Attempt& attempt, Mark mark, AttemptFlags flags, CpuId cpu);
    [[nodiscard]] FrameIndex try_zones_once(const Attempt& attempt, Mark mark, const AttemptFlags& flags,
                                            CpuId cpu);
    [[nodiscard]] bool passes(const Zone<Cpus>& zone, const Attempt& attempt, Mark mark,
                              const AttemptFlags& flags) const;
    [[nodiscard]] FrameIndex take_in(Zone<Cpus>& zone, const Attempt& attempt, const AttemptFlags& flags,
                                     CpuId cpu);
    [[nodiscard]] FrameIndex reclaim_and_retry(const Attempt& attempt, const AttemptFlags& flags, CpuId cpu);
    /// True if there were any.
    bool end_boosts(CpuId cpu);
    [[nodiscard]] AttemptFlags first_flags(const Target& target) const;
    [[nodiscard]] static AttemptFlags slow_flags(Gfp gfp, Order order);
    void hand_out(FrameIndex index, Order order, Gfp gfp);
    void prepare_block(FrameIndex index, Order order, Gfp gfp);

    [[nodiscard]] FrameIndex index_of(const void* address) const {
        return static_cast<FrameIndex>(
            static_cast<std::size_t>(static_cast<const std::byte*>(address) - memory_) >> page_shift);
    }
    void give_frames(FrameIndex index, Order order, CpuId cpu);
    void give_slow(FrameIndex index, Order order, PageState state, CpuId cpu);
    void give_to_list(Zone<Cpus>& zone, FrameIndex index, Order order, CpuId cpu);
    void flush_single(Zone<Cpus>& zone, MigrateType type, CpuId cpu);
    void report_bad_free(FrameIndex index, Order order, PageState state);
    void drop_reference(FrameIndex index, PageState state, CpuId cpu);
    void free_tails(FrameIndex index, PageState state, CpuId cpu);
    void count_allocation(CpuId cpu, Path path);
    void count_free(CpuId cpu, Path path);

    Page* pages_;        ///< the arena's descriptors, from its first frame on
    std::byte* memory_;  ///< and its direct map
    Pfn start_;
    std::array<Target, 32> targets_{};                       ///< by the five lowest bits of gfp
    std::array<FramesOfZone, max_zones> frames_of_zones_{};  ///< populated ones, descending
    Arena& arena_;
    Cpus& cpus_;
    MisuseLog& misuse_;
    std::vector<std::unique_ptr<Zone<Cpus>>> zones_;
    std::vector<Zone<Cpus>*> populated_;  ///< ascending
    bool grouping_ = true;                ///< by migrate type (BUDDY-5)
    bool avoids_fragments_ = false;       ///< the layout has DMA32 (BUDDY-70)
    std::uint64_t min_free_kbytes_ = 0;
    Order pageblock_order_;
    PerCpu<CpuStats> stats_;
};

/// The zone of a frame that was given out, which therefore lies in one.
template <class Cpus>
inline Zone<Cpus>& Buddy<Cpus>::zone_of(FrameIndex index) const {
    const FramesOfZone* zone = frames_of_zones_.data();
    if (index - zone->start < zone->frames) [[likely]]
        return *zone->zone;
    do {
        ++zone;
    } while (index - zone->start >= zone->frames);
    return *zone->zone;
}

/// The way that most single pages go: above the low mark of the preferred zone, from this CPU's list.
template <class Cpus>
[[gnu::always_inline]] inline FrameIndex Buddy<Cpus>::take_frames(Gfp gfp, Order order, CpuId cpu) {
    const Target& target = target_of(gfp);
    if (order == Order{0} && target.preferred->above_low(order, target.highest)) [[likely]] {
        PerCpuPages& pcp = target.preferred->per_cpu(cpu);
        // No request is for the reserve's type.
        const FrameIndex index = pcp.take(pages_, target.type);
        if (index != no_frame) [[likely]] {
            if (pcp.free_factor != 0) [[unlikely]]
                pcp.free_factor /= 2;
            hand_out(index, Order{0}, gfp);
            return index;
        }
    }
    return take_slow(gfp, order, cpu);
}

template <class Cpus>
inline void Buddy<Cpus>::hand_out(FrameIndex index, Order order, Gfp gfp) {
    Page& page = pages_[index];
    page.store_state(
        {PageKind::allocated, static_cast<std::uint8_t>(order.value()), MigrateType::unmovable, 0});
    page.word = 1;
    page.owner = nullptr;
    if (gfp.has(__GFP_ZERO | __GFP_COMP)) [[unlikely]] {
        prepare_block(index, order, gfp);
    }
}

/// Drops a reference to a block; the last one frees it (BUDDY-60). Most are the only one to a single page
/// that is not a slab.
template <class Cpus>
[[gnu::always_inline]] inline void Buddy<Cpus>::give_frames(FrameIndex index, Order order, CpuId cpu) {
    Page& page = pages_[index];
    const PageState state = page.load_state();
    if (order != Order{0} || state != PageState{PageKind::allocated})
        return give_slow(index, order, state, cpu);
    Zone<Cpus>& zone = zone_of(index);
    PerCpuPages& pcp = zone.per_cpu(cpu);
    const MigrateType type = zone.pageblock_type(start_ + index);
    page.store_state({PageKind::per_cpu, 0, type, 0});
    // By branches: the next page that is taken need not wait until the type of this one has been looked up.
    if (type == MigrateType::unmovable) {
        pcp.give(pages_, MigrateType::unmovable, index);
    } else if (type == MigrateType::reclaimable) {
        pcp.give(pages_, MigrateType::reclaimable, index);
    } else {
        pcp.give(pages_, MigrateType::movable, index);
    }
    if (pcp.full()) [[unlikely]] {
        flush_single(zone, type, cpu);
    }
}

extern template class Buddy<OwnedCpus>;
extern template class Buddy<SimulatedCpus>;

}  // namespace kmemlab

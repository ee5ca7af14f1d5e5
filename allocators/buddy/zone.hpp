/// A zone of the buddy allocator: blocks of 2^order free frames on lists by order and migrate type.
///
///     free_areas_[10]  list of each type: |--- 1024 frames ---|
///     free_areas_[9]                      |- 512 -|- 512 -|        halves of one block are buddies:
///     ...                                                          pfn ^ 2^order
///     free_areas_[0]                      |1|
///     pageblock_types_  one migrate type for each 2^pageblock_order frames
///     per_cpu_[cpu]     page lists that a CPU takes from and gives to without the lock
///
/// Taking a block splits a larger one, lower half first; giving one merges it with its buddy as long as that
/// is free too. A request prefers blocks of its migrate type; when there is none it takes a large block of
/// another type, and may turn a whole pageblock (fallback, "stealing"). A CPU's lists take parts of one block
/// together, and give pages that lie beside each other as the block that they make up: one by one they would
/// come and go the same, with more work.
///
/// Follows Linux 6.1, rules BUDDY-10..64. Laws: B1..B8, B11, B12 (check.cpp). `lock_` guards lists, pageblock
/// types and the reserve; per_cpu_[cpu] belongs to that CPU; the counter of free pages is read by all.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/buddy/per_cpu_pages.hpp"
#include "allocators/buddy/watermark.hpp"
#include "allocators/buddy/zone_layout.hpp"
#include "allocators/machine/arena.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/machine/page_list.hpp"

namespace kmemlab {

/// Free blocks of one order, a list for each migrate type.
struct FreeArea {
    std::array<PageList, migrate_types> lists;
    std::uint64_t blocks = 0;  ///< over all types (B2)

    [[nodiscard]] PageList& list(MigrateType type) { return lists[static_cast<std::size_t>(type)]; }
    [[nodiscard]] const PageList& list(MigrateType type) const {
        return lists[static_cast<std::size_t>(type)];
    }
};

/// Blocks of one order that lie behind each other.
struct BlockRun {
    FrameIndex first = no_frame;
    std::uint64_t blocks = 0;
};

/// Values of a zone that are computed from all zones together.
struct ZoneSettings {
    unsigned position = 0;  ///< in the list of configured zones
    Watermarks marks;
    std::uint64_t reserve_ratio = 0;  ///< lowmem_reserve is pages above / this
    ZoneCounts lowmem_reserve{};      ///< by the highest zone of the request
    std::uint64_t pcp_batch = 1;
    std::uint64_t pcp_high = 0;
    std::uint64_t boost_factor = 0;  ///< in 1/10000 of the high mark
    bool grouping = true;            ///< by migrate type (BUDDY-5)
};

template <class Cpus>
class Zone {
  public:
    Zone(const ZoneSpec& spec, Order pageblock_order, const Arena& arena, Cpus& cpus);

    [[nodiscard]] ZoneType type() const { return type_; }
    [[nodiscard]] const FrameRange& span() const { return span_; }
    [[nodiscard]] const std::vector<FrameRange>& memory() const { return memory_; }
    [[nodiscard]] std::uint64_t present() const { return present_; }
    [[nodiscard]] std::uint64_t managed() const { return managed_; }
    [[nodiscard]] bool populated() const { return present_ != 0; }
    [[nodiscard]] bool contains(Pfn pfn) const { return pfn >= span_.start && pfn < span_.end; }

    void set(const ZoneSettings& settings);
    [[nodiscard]] const ZoneSettings& settings() const { return settings_; }
    /// Puts all memory on the free lists as after boot: largest aligned blocks, MOVABLE (BUDDY-110).
    void free_all_memory();

    /// Free pages as the watermark test sees them; lags by up to the threshold per CPU (BUDDY-90).
    [[nodiscard]] std::int64_t free_pages() const { return free_pages_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t boost() const { return boost_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t reserved_highatomic() const {
        return reserved_highatomic_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::int64_t counter_threshold() const { return threshold_; }

    /// Position of a mark that nothing is above.
    static constexpr unsigned no_easy_mark = max_zones;
    /// The watermark test without special rights, at the low mark (BUDDY-73), but for the question whether
    /// a block of that order is there: taking one answers that.
    [[nodiscard]] bool above_low(Order order, unsigned highest_zone) const {
        const auto others = static_cast<std::int64_t>(order.pages() - 1);
        return free_pages() - others > easy_marks_[highest_zone].load(std::memory_order_relaxed);
    }
    /// Is a block of at least that order, and of one of the first `types` migrate types, on a free list?
    [[nodiscard]] bool has_block(Order order, unsigned types = request_types) const;
    /// The whole test (BUDDY-73), `mark` with boost. For order > 0 a fitting block must be on a list.
    [[nodiscard]] bool watermark_ok(Order order, std::uint64_t mark, unsigned highest_zone,
                                    const AttemptFlags& flags) const;

    [[nodiscard]] PerCpuPages& per_cpu(CpuId cpu) { return per_cpu_[cpu]; }
    [[nodiscard]] const PerCpuPages& per_cpu(CpuId cpu) const { return per_cpu_[cpu]; }

    /// Takes a block past the per-CPU lists (BUDDY-72, second half). no_frame: none.
    [[nodiscard]] FrameIndex take_block(Order order, MigrateType type, const AttemptFlags& flags, CpuId cpu);
    /// Takes a block from the CPU's list, which is filled first if empty (BUDDY-53). no_frame: none.
    [[nodiscard]] FrameIndex take_per_cpu(Order order, MigrateType type, const AttemptFlags& flags,
                                          CpuId cpu);
    /// The same without halving free_factor, as bulk allocation does (BUDDY-63).
    [[nodiscard]] FrameIndex take_per_cpu_bulk(MigrateType type, const AttemptFlags& flags, CpuId cpu);

    /// Gives a block to the free lists; merges (BUDDY-10..13).
    void give_block(FrameIndex index, Order order, CpuId cpu, bool to_tail = false);
    /// Called when a CPU's list has grown to its limit: gives pages back (BUDDY-55, 56).
    void flush(PerCpuPages& pcp, Order order, unsigned list, CpuId cpu);
    /// Gives back everything on a CPU's lists (BUDDY-57); `cpu` is the caller's.
    void drain(CpuId whose, CpuId cpu);
    /// True if a count of the CPU's lists is at the limit at which flush() is due.
    [[nodiscard]] static bool over_limit(const PerCpuPages& pcp, Order order) {
        return pcp.full() || pcp.freeing_high_order(order);
    }

    /// Adds the pageblock of a block just taken to the HIGHATOMIC reserve (BUDDY-40).
    void reserve_highatomic(FrameIndex index, CpuId cpu);
    /// Makes free_pages() exact as far as this CPU's changes go (BUDDY-90).
    void settle_free_pages(CpuId cpu);
    /// Takes the boost off the watermarks, as kswapd does after a pass (BUDDY-36). True if there was any.
    bool end_boost(CpuId cpu);

    /// Gives one reserved pageblock to `type` (BUDDY-41); false if no page moved.
    bool unreserve_highatomic(MigrateType type, bool force, CpuId cpu);
    /// Gives all of the reserve to MOVABLE, also what BUDDY-41 cannot: pageblocks that the zone ends in, and
    /// free ones whose pages were on a CPU's list when they were reserved.
    void end_reserve(CpuId cpu);

    [[nodiscard]] MigrateType pageblock_type(Pfn pfn) const {
        return pageblock_types_[pageblock(pfn)].load(std::memory_order_relaxed);
    }
    [[nodiscard]] Order pageblock_order() const { return pageblock_order_; }
    [[nodiscard]] std::uint64_t pageblock_pages() const { return pageblock_order_.pages(); }

    /// Which way served what take_block/take_per_cpu did last under this zone's lock: stolen or not.
    [[nodiscard]] bool last_take_stole(CpuId cpu) const { return per_cpu_[cpu].stole; }

    [[nodiscard]] const FreeArea& free_area(Order order) const { return free_areas_[order.value()]; }
    /// Pageblocks of each migrate type.
    [[nodiscard]] std::array<std::uint64_t, migrate_types> pageblocks_by_type() const;
    [[nodiscard]] std::uint64_t lock_acquisitions() const { return lock_.acquisitions(); }
    [[nodiscard]] std::size_t metadata_bytes() const;

    /// Calls visit(first frame, order) for each free block of at least that order, under the lock: none of
    /// them is taken meanwhile.
    template <class Visit>
    void visit_free_blocks(Order least, CpuId cpu, Visit&& visit) {
        const LockGuard<Cpus> guard{cpus_, lock_, cpu};
        for (unsigned order = least.value(); order < order_count; ++order) {
            for (const PageList& list : free_areas_[order].lists) {
                for (FrameIndex i = list.head(); i != no_frame; i = PageArray{arena_}[i].next)
                    visit(i, Order{order});
            }
        }
    }

    /// Every law of this zone from primary data (B1..B8).
    [[nodiscard]] MaybeViolation find_violation() const;

    /// Reach into the zone: tests that corrupt it, and recorded states put back (state.hpp).
    struct Inside;

  private:
    [[nodiscard]] std::size_t pageblock(Pfn pfn) const {
        return (pfn.value() >> pageblock_order_.value()) - first_pageblock_;
    }
    void set_pageblock_type(Pfn pfn, MigrateType type);
    /// To be called when a part of them has changed.
    void update_easy_marks();
    /// So many times, as if one after another.
    void change_free_pages(std::int64_t pages, CpuId cpu, std::uint64_t times = 1);

    void add(FrameIndex index, Order order, MigrateType type, bool to_tail);
    void unlink(FrameIndex index, Order order);
    void move_to_tail(FrameIndex index, MigrateType type);
    [[nodiscard]] bool is_free_block(Pfn pfn, Order order) const;
    [[nodiscard]] bool may_merge(Pfn buddy, Order order, MigrateType type) const;
    [[nodiscard]] bool merges_soon(Pfn pfn, Order order) const;
    /// BUDDY-10..13 without the lock.
    void give_locked(FrameIndex index, Order order, MigrateType type, CpuId cpu, bool to_tail);
    /// The same without the counter of free pages.
    void merge(FrameIndex index, Order order, MigrateType type, bool to_tail);

    /// Up to `most` blocks, parts of one that is the smallest there is. They would come so one by one: what
    /// is left of it is the smallest then.
    [[nodiscard]] BlockRun take_smallest(Order order, MigrateType type, std::uint64_t most = 1);
    [[nodiscard]] BlockRun take_with_fallback(Order order, MigrateType type, std::uint64_t most,
                                              const AttemptFlags& flags, CpuId cpu);
    [[nodiscard]] bool fall_back(Order order, MigrateType type, const AttemptFlags& flags);
    struct Find {
        Order order;
        MigrateType source;
    };
    [[nodiscard]] std::optional<Find> find_fallback(Order order, MigrateType type, Order lowest) const;
    [[nodiscard]] std::optional<MigrateType> fallback_source(Order order, MigrateType type) const;
    [[nodiscard]] bool stealable(Order order, MigrateType type) const;
    void steal(Find find, MigrateType type);
    struct Moved {
        std::uint64_t free = 0;  ///< pages of free blocks that were moved
        std::uint64_t movable_in_use = 0;
    };
    /// Moves the free blocks of the pageblock around `inside` to the tails of the lists of `type`
    /// (BUDDY-34e); from `inside` on if the zone begins in it; nothing, and no answer, if the zone ends in
    /// it.
    std::optional<Moved> move_pageblock(Pfn inside, MigrateType type);
    /// The same for the free blocks that begin in [pfn, end).
    Moved move_free(Pfn pfn, Pfn end, MigrateType type);
    /// One pageblock less in the HIGHATOMIC reserve.
    void uncount_reserved();
    void merge_again(Pfn start, MigrateType type, CpuId cpu);
    [[nodiscard]] bool claims_pageblock(const Moved& moved, MigrateType type, MigrateType recorded) const;
    void raise_boost();
    /// Takes a batch of blocks for an empty list and gives the first of them; no_frame: there was none.
    [[nodiscard]] FrameIndex refill(PerCpuPages& pcp, Order order, MigrateType type,
                                    const AttemptFlags& flags, CpuId cpu);
    struct Block {
        FrameIndex first;
        Order order;
        MigrateType type;
    };
    /// Takes up to `most` blocks of `order` from the tail of a CPU's list, as the one block that they merge
    /// into before they merge with anything else: its parts, alike, from one end to the other.
    [[nodiscard]] Block pop_merged(PageList& list, Order order, std::uint64_t most);
    /// BUDDY-56 without the lock.
    void free_from_lists(PerCpuPages& pcp, std::int64_t pages, unsigned list, CpuId cpu);

    template <class>
    friend class ZoneChecker;

    ZoneType type_;
    FrameRange span_;
    std::vector<FrameRange> memory_;
    std::uint64_t present_;
    std::uint64_t managed_;
    Order pageblock_order_;
    std::uint64_t first_pageblock_;
    const Arena& arena_;
    Cpus& cpus_;
    ZoneSettings settings_;
    std::int64_t threshold_;

    PerCpu<PerCpuPages> per_cpu_;
    std::atomic<std::int64_t> free_pages_{0};
    /// low mark + boost + lowmem_reserve + HIGHATOMIC reserve, by the highest zone of the request.
    /// One more than there are zones: a mark that nothing reaches.
    std::array<std::atomic<std::int64_t>, max_zones + 1> easy_marks_{};
    std::atomic<std::uint64_t> boost_{0};
    std::atomic<std::uint64_t> reserved_highatomic_{0};

    typename Cpus::Lock lock_;
    std::array<FreeArea, order_count> free_areas_;
    std::vector<std::atomic<MigrateType>> pageblock_types_;
};

extern template class Zone<OwnedCpus>;
extern template class Zone<SimulatedCpus>;

}  // namespace kmemlab

/// The page allocator, in either context: blocks of all orders, bulks, exact sizes, references, drains.
///
/// The model is a map of frames to owners. A block is judged by its frames (G1), alignment (B2), zone (B15),
/// descriptor (B13) and content; a null by what the free lists still hold above the watermarks (M1), and a
/// success by what it left of them (B9). What a CPU holds back of the counters (BUDDY-90) is allowed for.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "allocators/buddy/buddy.hpp"
#include "allocators/buddy/state.hpp"
#include "allocators/contract/models.hpp"
#include "fuzz/damage/buddy.hpp"
#include "fuzz/machines/live_memory.hpp"
#include "fuzz/machines/machine.hpp"
#include "fuzz/machines/settings.hpp"
#include "fuzz/oracle/arena_shelf.hpp"

namespace kmemlab::fuzz {

template <class Cpus>
class PageMachine final : public Machine {
  public:
    PageMachine(const Setup& setup, const Language& language)
        : borrowed_{setup.arena_bytes(), Pfn{setup.start_pfn()}},
          cpus_{setup.cpu_count()},
          config_{configure(setup, language)},
          buddy_{arena_, cpus_, config_, log_},
          free_at_begin_{buddy_.free_blocks()},
          owned_(arena_.frames()),
          marked_(arena_.frames()) {}
    /// The memory goes to the next machine as zeros: what it finds is no matter of what ran before.
    ~PageMachine() override {
        for (FrameIndex i = 0; i < marked_.size(); ++i) {
            if (marked_[i]) std::memset(word_of(arena_.pfn_at(i)), 0, sizeof(std::uint64_t));
        }
    }
    PageMachine(const PageMachine&) = delete;
    PageMachine& operator=(const PageMachine&) = delete;

    void follow(Schedule* schedule) override {
        if constexpr (Cpus::preemptible) cpus_.follow(schedule);
    }
    void perform(const Operation& op) override;
    [[nodiscard]] MaybeViolation find_violation() override;
    void tear_down() override;
    [[nodiscard]] std::string describe() const override;

  private:
    struct Block {
        Pfn first;
        Order order;
        bool compound = false;
        std::uint32_t references = 1;
        std::size_t exact = 0;  ///< bytes of alloc_pages_exact; 0: a block

        [[nodiscard]] std::uint64_t frames() const {
            return exact > 0 ? (exact + page_size - 1) >> page_shift : order.pages();
        }
    };
    struct Item {
        std::vector<Block> blocks;
        [[nodiscard]] bool empty() const { return blocks.empty(); }
    };
    /// What is on the free lists of a zone, counted by walking the lists' lengths.
    struct FreeInZone {
        std::uint64_t pages = 0;
        std::uint64_t for_all = 0;          ///< not of the HIGHATOMIC reserve
        std::uint64_t largest_for_all = 0;  ///< pages of the largest such block
        std::uint64_t reserved = 0;  ///< of the reserve, in pageblocks that can be given back (BUDDY-41)
        std::uint64_t largest_reserved = 0;
        std::uint64_t given_back = 0;  ///< pages that the reserve would count less
        bool cut = false;  ///< a block that BUDDY-41 cannot move may be in front of others: nothing is sure
                           ///< to be given back
    };
    using FreeInZones = std::array<FreeInZone, max_zones>;

    [[nodiscard]] static BuddyConfig configure(const Setup& setup, const Language& language) {
        BuddyConfig config;
        apply_setup(setup, language, config);
        return config;
    }
    [[nodiscard]] CpuId cpu_of(const Operation& op) const { return CpuId{op.cpu % cpus_.count()}; }
    [[nodiscard]] static Order order_of_op(const Operation& op) { return Order{op.count % order_count}; }

    void do_it(const Operation& op);
    void take_blocks(const Operation& op, std::size_t most);
    void take_bulk(const Operation& op);
    void take_exact(const Operation& op);
    void release(Item& item, std::size_t most, CpuId cpu);
    [[nodiscard]] bool give(Block& block, CpuId cpu);
    void hold(Item& item);
    void drop(Item& item, CpuId cpu);
    void damage(const Operation& op);
    void misuse(const Operation& op);

    [[nodiscard]] bool adopt(const Block& block, Gfp gfp);
    [[nodiscard]] bool disown(const Block& block, std::uint64_t skipped = 0);
    void keep(Item item, std::size_t slot, CpuId cpu);
    [[nodiscard]] FreeInZones free_in_zones() const;
    [[nodiscard]] unsigned highest_zone(Gfp gfp) const;
    [[nodiscard]] std::uint64_t slack(const Zone<Cpus>& zone) const {
        return static_cast<std::uint64_t>(zone.counter_threshold()) * cpus_.count();
    }
    void judge_null(const Operation& op, Order order, Gfp gfp);
    void judge_marks(const FreeInZones& before, Order order, Gfp gfp);
    void judge_zone(const FreeInZones& before, const Block& block, Gfp gfp);
    void judge_reserves(const Operation& op);
    void judge_remembered(Pfn pfn);
    void judge_record();
    [[nodiscard]] std::byte* word_of(Pfn pfn) const { return arena_.address(pfn); }
    [[nodiscard]] static std::uint64_t mark_of(Pfn pfn) { return pfn.value() * 0x9e3779b97f4a7c15 + 1; }

    oracle::BorrowedArena borrowed_;
    Arena& arena_{borrowed_.get()};
    Cpus cpus_;
    BuddyConfig config_;
    Buddy<Cpus> buddy_;
    FreeBlocks free_at_begin_;
    std::vector<bool> owned_;   ///< by frame of the arena
    std::vector<bool> marked_;  ///< ever
    std::uint64_t owned_frames_ = 0;
    bool recorded_ = false;
    bool has_texts_ = false;      ///< they were made at exhaustion
    unsigned depth_ = 0;          ///< operations that are under way
    std::uint64_t reserved_ = 0;  ///< pages in HIGHATOMIC pageblocks, when last looked at
    Slots<Item> slots_;
};

template <class Cpus>
void PageMachine<Cpus>::perform(const Operation& op) {
    ++depth_;
    do_it(op);
    --depth_;
}

template <class Cpus>
void PageMachine<Cpus>::do_it(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    Item* const item = slots_.next_full(op.slot);
    switch (op.kind) {
        case OpKind::pages:
            take_blocks(op, 1);
            break;
        case OpKind::pages_fill:
            take_blocks(op, arena_.frames());
            break;
        case OpKind::pages_bulk:
            take_bulk(op);
            break;
        case OpKind::pages_exact:
            take_exact(op);
            break;
        case OpKind::release:
            if (item != nullptr) release(*item, ~std::size_t{0}, cpu);
            break;
        case OpKind::release_some:
            if (item != nullptr) release(*item, op.count, cpu);
            break;
        case OpKind::hold:
            if (item != nullptr) hold(*item);
            break;
        case OpKind::drop:
            if (item != nullptr) drop(*item, cpu);
            break;
        case OpKind::local_drain:
            buddy_.drain_local_pages(cpu);
            break;
        case OpKind::unreserve:
            buddy_.unreserve_highatomic_pageblocks(
                op.count % 2 == 0 ? MigrateType::movable : MigrateType::unmovable, cpu);
            break;
        case OpKind::drain:
            buddy_.drain(cpu);
            for (const auto& zone : buddy_.zones()) {
                if (zone->reserved_highatomic() != 0)
                    break_law("B7", "{} reserves {} pages after a drain", to_string(zone->type()),
                              zone->reserved_highatomic());
            }
            break;
        case OpKind::walk:
            if (op.strike_at == 0 && depth_ == 1) judge_record();
            break;
        case OpKind::damage:
            damage(op);
            break;
        default:
            return misuse(op);
    }
    judge_reserves(op);
    judge_reports();
}

// --- Judgement ---

template <class Cpus>
auto PageMachine<Cpus>::free_in_zones() const -> FreeInZones {
    FreeInZones all;
    for (std::size_t z = 0; z < buddy_.zones().size(); ++z) {
        std::set<std::uint64_t> givable;  // pageblocks, by their first frame
        for (Order order{0}; order <= max_order; ++order) {
            const FreeArea& area = buddy_.zones()[z]->free_area(order);
            std::uint64_t reserved = 0;
            const Zone<Cpus>& zone = *buddy_.zones()[z];
            for (FrameIndex f = area.list(MigrateType::highatomic).head(); f != no_frame;
                 f = arena_.page_at(f).next) {
                ++reserved;
                const Pfn block = arena_.pfn_at(f).align_down(zone.pageblock_order());
                if (block + zone.pageblock_pages() > zone.span().end) {
                    all[z].cut = true;
                    continue;
                }
                if (zone.pageblock_type(arena_.pfn_at(f)) == MigrateType::highatomic)
                    givable.insert(block.value());
                all[z].reserved += order.pages();
                all[z].largest_reserved = order.pages();
            }
            all[z].given_back = givable.size() * zone.pageblock_pages();
            all[z].pages += area.blocks * order.pages();
            all[z].for_all += (area.blocks - reserved) * order.pages();
            if (area.blocks > reserved) all[z].largest_for_all = order.pages();
        }
    }
    return all;
}

/// Position of the highest zone that a request may use (BUDDY-6). A zone that the machine does not have at
/// all is NORMAL to it, or the last that there is.
template <class Cpus>
unsigned PageMachine<Cpus>::highest_zone(Gfp gfp) const {
    const ZoneType wanted = gfp.has(__GFP_DMA)        ? ZoneType::dma
                            : gfp.has(__GFP_DMA32)    ? ZoneType::dma32
                            : !gfp.has(__GFP_HIGHMEM) ? ZoneType::normal
                            : gfp.has(__GFP_MOVABLE)  ? ZoneType::movable
                                                      : ZoneType::highmem;
    const auto& zones = buddy_.zones();
    for (const ZoneType type : {wanted, ZoneType::normal}) {
        for (unsigned z = 0; z < zones.size(); ++z) {
            if (zones[z]->type() == type) return z;
        }
    }
    return static_cast<unsigned>(zones.size() - 1);
}

/// M1: null only if no allowed zone has a block of the order above its min mark and what it keeps for
/// requests that cannot go elsewhere.
template <class Cpus>
void PageMachine<Cpus>::judge_null(const Operation& op, Order order, Gfp gfp) {
    // What struck may have freed pages after the last look.
    if (op.strike_at != 0 || gfp.has(__GFP_MEMALLOC) || order > max_order) return;
    const unsigned highest = highest_zone(gfp);
    const FreeInZones free = free_in_zones();
    // Who may reclaim, and does not give up early, gets the HIGHATOMIC reserve too (BUDDY-77).
    const bool unreserves = gfp.has(__GFP_DIRECT_RECLAIM) && !gfp.has(__GFP_NORETRY) && order <= costly_order;
    for (unsigned z = 0; z <= highest && z < buddy_.zones().size(); ++z) {
        const Zone<Cpus>& zone = *buddy_.zones()[z];
        if (!zone.populated()) continue;
        const ZoneSettings& s = zone.settings();
        const bool ends_boosts = gfp.has(__GFP_DIRECT_RECLAIM);
        // A reserved pageblock counts whole, whatever of it is in use, until it is given back.
        const std::uint64_t reserve = zone.reserved_highatomic();
        const bool gives = unreserves && !free[z].cut;
        const std::uint64_t given_back = gives ? std::min(reserve, free[z].given_back) : 0;
        std::uint64_t kept = s.marks.min + (ends_boosts ? 0 : zone.boost()) + s.lowmem_reserve[highest] +
                             slack(zone) + reserve - given_back;
        if (gfp.has(__GFP_NOFAIL)) kept = 0;
        const std::uint64_t pages = free[z].for_all + (gives ? free[z].reserved : 0);
        const std::uint64_t largest = std::max(free[z].largest_for_all, gives ? free[z].largest_reserved : 0);
        if (largest < order.pages() || pages <= kept + order.pages()) continue;
        return break_law(gfp.has(__GFP_NOFAIL) ? "M3" : "M1",
                         "no block of order {} (gfp {:#x}), but {} has {} free pages, {} in one block, and "
                         "keeps {}",
                         order.value(), gfp.bits(), to_string(zone.type()), pages, largest, kept);
    }
}

/// B15: an ordinary request is served by the highest zone that it may use, if that is above its low mark.
template <class Cpus>
void PageMachine<Cpus>::judge_zone(const FreeInZones& before, const Block& block, Gfp gfp) {
    // With DMA32 a request may rather go lower than mix types in a pageblock (BUDDY-70).
    if (gfp.has(__GFP_MEMALLOC | __GFP_NOFAIL)) return;
    for (const auto& zone : buddy_.zones()) {
        if (zone->type() == ZoneType::dma32) return;
    }
    const unsigned highest = highest_zone(gfp);
    for (unsigned z = highest + 1; z-- > 0;) {
        const Zone<Cpus>& zone = *buddy_.zones()[z];
        if (zone.contains(block.first)) return;
        if (!zone.populated()) continue;
        const ZoneSettings& s = zone.settings();
        const std::uint64_t enough = s.marks.low + zone.boost() + s.lowmem_reserve[highest] +
                                     zone.reserved_highatomic() + slack(zone) + block.order.pages();
        if (before[z].for_all <= enough || before[z].largest_for_all < block.order.pages()) continue;
        return break_law("B15", "frame {:#x} comes from a lower zone than {}, which had {} free pages",
                         block.first.value(), to_string(zone.type()), before[z].for_all);
    }
}

/// B7, B9: who may add to the reserve, and which zones are large enough for a boost.
template <class Cpus>
void PageMachine<Cpus>::judge_reserves(const Operation& op) {
    std::uint64_t reserved = 0;
    for (const auto& zone : buddy_.zones()) {
        reserved += zone->reserved_highatomic();
        if (zone->boost() > 0 && 4 * zone->pageblock_pages() > zone->managed())
            break_law("B9", "the marks of {} are raised, which has {} pages only", to_string(zone->type()),
                      zone->managed());
    }
    // Whoever was struck, or struck, does not know who added to it.
    const bool alone = depth_ == 1 && op.strike_at == 0;
    if (reserved > reserved_ && alone && !gfp_of(op).gfp.has(__GFP_HIGH))
        break_law("B7", "a request without __GFP_HIGH ({}) adds to the reserve", gfp_of(op).name);
    reserved_ = reserved;
}

/// B9, M5: an ordinary request leaves a zone's min mark alone.
template <class Cpus>
void PageMachine<Cpus>::judge_marks(const FreeInZones& before, Order order, Gfp gfp) {
    if (gfp.has(__GFP_HIGH | __GFP_NOFAIL | __GFP_MEMALLOC | __GFP_ATOMIC)) return;
    const unsigned highest = highest_zone(gfp);
    const FreeInZones after = free_in_zones();
    for (unsigned z = 0; z < buddy_.zones().size(); ++z) {
        if (after[z].pages >= before[z].pages) continue;
        const Zone<Cpus>& zone = *buddy_.zones()[z];
        const ZoneSettings& s = zone.settings();
        const std::uint64_t floor = s.marks.min + s.lowmem_reserve[highest];
        // A CPU's list is filled by a batch once the test is passed.
        const std::uint64_t allowance = slack(zone) + s.pcp_batch + order.pages();
        if (after[z].pages + allowance >= floor) continue;
        return break_law("B9",
                         "an ordinary request of order {} left {} of {} free pages in {}, which keeps {}",
                         order.value(), after[z].pages, before[z].pages, to_string(zone.type()), floor);
    }
}

/// B6: a page that a CPU keeps remembers the type that its pageblock had when it was freed (BUDDY-55).
template <class Cpus>
void PageMachine<Cpus>::judge_remembered(Pfn pfn) {
    const PageState state = arena_.page(pfn).load_state();
    if (state.kind != PageKind::per_cpu) return;
    for (const auto& zone : buddy_.zones()) {
        if (zone->contains(pfn) && zone->pageblock_type(pfn) != state.type)
            break_law("B6", "frame {:#x} of a pageblock of type {} is kept as {}", pfn.value(),
                      static_cast<int>(zone->pageblock_type(pfn)), static_cast<int>(state.type));
    }
}

/// The zones, put into a fresh machine, are there what they are here.
template <class Cpus>
void PageMachine<Cpus>::judge_record() {
    if (std::exchange(recorded_, true)) return;
    Arena arena{arena_.bytes(), arena_.start()};
    Buddy<Cpus> buddy{arena, cpus_, config_, log_};
    for (std::size_t z = 0; z < buddy_.zones().size() && !broken(); ++z) {
        const ZoneState here = record(*buddy_.zones()[z], arena_, cpus_.count());
        restore(*buddy.zones()[z], arena, here);
        const ZoneState there = record(*buddy.zones()[z], arena, cpus_.count());
        if (there.free_lists != here.free_lists || there.page_set_entries != here.page_set_entries ||
            there.pageblocks != here.pageblocks || there.free_pages != here.free_pages)
            break_law("text", "{} is another one after its recording", to_string(buddy_.zones()[z]->type()));
    }
}

/// The caller's from now on; false: a law is broken.
template <class Cpus>
bool PageMachine<Cpus>::adopt(const Block& block, Gfp gfp) {
    const Pfn last = block.first + (block.frames() - 1);
    if (!arena_.contains(block.first) || !arena_.contains(last)) {
        break_law("B3", "frames {:#x}..{:#x} are not in the arena", block.first.value(), last.value());
        return false;
    }
    if (!block.first.is_aligned(block.order))
        break_law("B2", "frame {:#x} is not aligned to order {}", block.first.value(), block.order.value());
    const ZoneType highest = buddy_.zones()[highest_zone(gfp)]->type();
    for (const auto& zone : buddy_.zones()) {
        if (zone->contains(block.first) != zone->contains(last))
            break_law("B3", "frames {:#x}..{:#x} lie across the border of {}", block.first.value(),
                      last.value(), to_string(zone->type()));
        if (zone->contains(block.first) && zone->type() > highest)
            break_law("B15", "frame {:#x} of {} for gfp {:#x}", block.first.value(), to_string(zone->type()),
                      gfp.bits());
    }
    const Page& page = arena_.page(block.first);
    const PageState state = page.load_state();
    const Order described = block.exact > 0 ? Order{0} : block.order;
    if (state.kind != PageKind::allocated || state.order != described.value() || page.owner != nullptr)
        break_law("B13", "frame {:#x} is not described as a fresh block of order {}", block.first.value(),
                  described.value());
    for (std::uint64_t i = 0; i < block.frames() && !broken(); ++i) {
        const FrameIndex frame = arena_.index(block.first) + static_cast<FrameIndex>(i);
        if (owned_[frame]) break_law("G1", "frame {:#x} is somebody's already", (block.first + i).value());
        owned_[frame] = true;
        if (block.compound && block.order > Order{0} &&
            arena_.page_at(frame).head != arena_.index(block.first))
            break_law("B13", "frame {:#x} does not name its head", (block.first + i).value());
        const bool ends = i == 0 || i + 1 == block.frames();
        if (gfp.has(__GFP_ZERO) && (ends || i % 16 == 0) &&
            !oracle::is_zero(word_of(block.first + i), page_size))
            break_law("G5", "frame {:#x} is not zero", (block.first + i).value());
        if (!ends) continue;
        const std::uint64_t mark = mark_of(block.first + i);
        std::memcpy(word_of(block.first + i), &mark, sizeof mark);
        marked_[frame] = true;
    }
    owned_frames_ += block.frames();
    arena_.page(block.first).owner = this;  // stays when it is freed, as with any owner
    return !broken();
}

/// No longer the caller's, from the frame number `skipped` on; false: its content was changed.
template <class Cpus>
bool PageMachine<Cpus>::disown(const Block& block, std::uint64_t skipped) {
    for (std::uint64_t i = 0; i < block.frames(); ++i) {
        const Pfn pfn = block.first + i;
        if (i == 0 || i + 1 == block.frames()) {
            const std::uint64_t mark = mark_of(pfn);
            if (std::memcmp(word_of(pfn), &mark, sizeof mark) != 0)
                break_law("G4", "frame {:#x} was changed by somebody else", pfn.value());
        }
        if (i >= skipped) owned_[arena_.index(pfn)] = false;
    }
    owned_frames_ -= block.frames() - skipped;
    return !broken();
}

template <class Cpus>
void PageMachine<Cpus>::keep(Item item, std::size_t slot, CpuId cpu) {
    if (item.empty() || broken()) return;
    if (Item* const place = slots_.next_empty(slot)) {
        *place = std::move(item);
    } else {
        release(item, ~std::size_t{0}, cpu);
    }
}

// --- Taking ---

template <class Cpus>
void PageMachine<Cpus>::take_blocks(const Operation& op, std::size_t most) {
    const Order order = order_of_op(op);
    const Gfp gfp = gfp_of(op).gfp;
    Item item;
    while (item.blocks.size() < most && !broken()) {
        const FreeInZones before = free_in_zones();
        const auto pfn = buddy_.take(order, gfp, cpu_of(op));
        if (!pfn) {
            judge_null(op, order, gfp);
            break;
        }
        const Block block{.first = *pfn, .order = order, .compound = gfp.has(__GFP_COMP)};
        if (!adopt(block, gfp)) return;
        item.blocks.push_back(block);
        if (op.strike_at != 0) continue;  // what struck in between may have taken any page of any zone
        judge_marks(before, order, gfp);
        judge_zone(before, block, gfp);
    }
    if (op.kind == OpKind::pages_fill && !std::exchange(has_texts_, true) && buddy_.snapshot().empty())
        break_law("M4", "no texts at exhaustion");
    keep(std::move(item), op.slot, cpu_of(op));
}

template <class Cpus>
void PageMachine<Cpus>::take_bulk(const Operation& op) {
    const Gfp gfp = gfp_of(op).gfp;
    std::vector<Page*> pages(op.count, nullptr);
    const std::size_t got = buddy_.alloc_pages_bulk_array(gfp, pages, cpu_of(op));
    // A bulk may end at the low mark; nothing at all must mean that there is no page (BUDDY-63).
    if (got == 0 && !pages.empty()) judge_null(op, Order{0}, gfp);
    if (got > pages.size()) return break_law("U9", "{} of {} pages", got, pages.size());
    Item item;
    for (std::size_t i = 0; i < pages.size() && !broken(); ++i) {
        if ((pages[i] != nullptr) != (i < got))
            return break_law("U9", "page {} of {} is not as counted", i, got);
        if (pages[i] == nullptr) break;
        const Block block{.first = arena_.pfn_at(arena_.index(*pages[i])), .order = Order{0}};
        if (!adopt(block, gfp)) return;
        item.blocks.push_back(block);
    }
    keep(std::move(item), op.slot, cpu_of(op));
}

template <class Cpus>
void PageMachine<Cpus>::take_exact(const Operation& op) {
    // The highest sizes stand for those at which arithmetic wraps (G6).
    const std::size_t bytes = op.size >= 0xffff0000   ? ~std::size_t{0} - (0xffffffff - op.size)
                              : op.size >= 0xfffe0000 ? (std::size_t{1} << 44) + (op.size - 0xfffe0000)
                                                      : 1 + op.size % (max_order.bytes() / 4);
    const Gfp gfp = gfp_of(op).gfp.without(__GFP_COMP);
    void* const p = buddy_.alloc_pages_exact(bytes, gfp, cpu_of(op));
    if (bytes > max_order.bytes()) {
        if (p != nullptr) break_law("G6", "memory for {} bytes", bytes);
        return;
    }
    if (p == nullptr) return judge_null(op, order_of(bytes), gfp);
    const Block block{.first = arena_.pfn(p), .order = order_of(bytes), .exact = bytes};
    if (!adopt(block, gfp)) return;
    keep(Item{{block}}, op.slot, cpu_of(op));
}

// --- Giving ---

/// True: the block is gone. One with further references loses one; of one that is not compound all but the
/// first page is free then (BUDDY-61).
template <class Cpus>
bool PageMachine<Cpus>::give(Block& block, CpuId cpu) {
    if (block.exact > 0) {
        if (disown(block)) buddy_.free_pages_exact(arena_.address(block.first), block.exact, cpu);
        return true;
    }
    const bool last = block.references == 1;
    if (last || (!block.compound && block.order > Order{0})) {
        if (!disown(block, last ? 0 : 1)) return true;
    }
    buddy_.give(block.first, block.order, cpu);
    if (last) {
        if constexpr (!Cpus::preemptible) judge_remembered(block.first);
        return true;
    }
    --block.references;
    if (!block.compound) block.order = Order{0};
    return false;
}

template <class Cpus>
void PageMachine<Cpus>::release(Item& item, std::size_t most, CpuId cpu) {
    // Out of the slot first: who strikes may not see it.
    std::vector<Block> blocks = std::exchange(item.blocks, {});
    std::vector<Block> kept;
    for (std::size_t i = 0; i < blocks.size() && !broken(); ++i) {
        if (i >= most || !give(blocks[i], cpu)) kept.push_back(blocks[i]);
    }
    if (item.blocks.empty()) {
        item.blocks = std::move(kept);
    } else {
        for (Block& block : kept) item.blocks.push_back(block);
    }
}

template <class Cpus>
void PageMachine<Cpus>::hold(Item& item) {
    Block& block = item.blocks[0];
    if (block.exact > 0 || block.references > 3) return;
    buddy_.get_page(&arena_.page(block.first));
    ++block.references;
}

template <class Cpus>
void PageMachine<Cpus>::drop(Item& item, CpuId cpu) {
    Block& block = item.blocks[0];
    // The head of a block that is not compound is a page of its own to put_page.
    if (block.exact > 0 || (!block.compound && block.order > Order{0})) return;
    const Block dropped = block;
    if (--block.references == 0) {
        item.blocks.erase(item.blocks.begin());
        if (!disown(dropped)) return;
    }
    buddy_.put_page(&arena_.page(dropped.first), cpu);
}

template <class Cpus>
void PageMachine<Cpus>::damage(const Operation& op) {
    std::vector<ZonePart<Cpus>> parts;
    for (const auto& zone : buddy_.zones()) parts.push_back({arena_, *zone, cpus_.count()});
    Machine::damage(op, std::span{parts}, zone_damages<Cpus>(), [&] { return buddy_.find_violation(); });
}

template <class Cpus>
void PageMachine<Cpus>::misuse(const Operation& op) {
    Item* const item = slots_.next_full(op.slot);
    if (item == nullptr || item->blocks[0].exact > 0 || item->blocks[0].references > 1) return;
    const Block block = item->blocks[0];
    const std::size_t first = reports_.size();
    if (op.kind == OpKind::misuse_order) {
        const Order other{(block.order.value() + 1 + op.count % max_order.value()) % order_count};
        buddy_.give(block.first, other, cpu_of(op));
    } else {
        buddy_.give(block.first, block.order, cpu_of(op));
        buddy_.give(block.first, block.order, cpu_of(op));
    }
    // A block that was freed may have become the inside of a larger one.
    if (op.kind == OpKind::misuse_order)
        judge_report(first, MisuseKind::wrong_order, MisuseKind::wrong_order);
    else
        judge_report(first, MisuseKind::double_free, MisuseKind::interior_pointer);
}

// --- Walks ---

template <class Cpus>
MaybeViolation PageMachine<Cpus>::find_violation() {
    if (auto found = buddy_.find_violation()) return found;
    if (buddy_.pages_in_use() != owned_frames_)
        return violation("B1", "{} pages are out, callers have {}", buddy_.pages_in_use(), owned_frames_);
    return {};
}

template <class Cpus>
void PageMachine<Cpus>::tear_down() {
    const CpuId cpu{0};
    for (Item& item : slots_.all()) {
        while (!item.empty() && !broken()) release(item, ~std::size_t{0}, cpu);
    }
    if (broken()) return;
    buddy_.drain(cpu);
    if (auto found = find_violation()) return break_law(std::move(*found));
    judge_free_blocks(free_at_begin_, buddy_.free_blocks());
}

template <class Cpus>
std::string PageMachine<Cpus>::describe() const {
    std::string text;
    for (std::size_t i = 0; i < slot_count; ++i) {
        const Item& item = slots_.all()[i];
        if (item.empty()) continue;
        text += fmt::format("  slot {}: {} blocks, the first of order {} at frame {:#x}, {} references\n", i,
                            item.blocks.size(), item.blocks[0].order.value(), item.blocks[0].first.value(),
                            item.blocks[0].references);
    }
    return text;
}

}  // namespace kmemlab::fuzz

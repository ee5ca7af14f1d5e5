#include "fuzz/damage/buddy.hpp"

#include <array>

#include "allocators/buddy/inside.hpp"
#include "fuzz/damage/pages.hpp"

namespace kmemlab::fuzz {
namespace {

template <class Cpus>
class Table {
    using Part = ZonePart<Cpus>;
    using Inside = typename Zone<Cpus>::Inside;

    static Page& page(const Part& p, FrameIndex i) { return p.arena.page_at(i); }
    static PerCpuPages& per_cpu(const Part& p, const Damage& d) {
        return p.zone.per_cpu(CpuId{static_cast<unsigned>(d.pick(p.cpus))});
    }
    static FreeArea& area(const Part& p, Order order) { return Inside::free_area(p.zone, order); }

    /// A block that somebody uses; no_frame: there is none.
    static FrameIndex used_block(const Part& p, const Damage& d) {
        std::vector<FrameIndex> used = blocks_of(p.arena, PageKind::allocated);
        std::erase_if(used, [&](FrameIndex i) { return !p.zone.contains(p.arena.pfn_at(i)); });
        return pick_block(d, used);
    }
    /// Calls change(area, list, block, order) of one free block of an order in least..most, if there is one.
    template <class Change>
    static void with_free_block(const Part& p, Damage& d, Order least, Order most, Change&& change) {
        const unsigned orders = most.value() - least.value() + 1;
        for (unsigned i = 0; i < orders; ++i) {
            const Order order{least.value() + static_cast<unsigned>((d.pick(orders) + i) % orders)};
            for (PageList& list : area(p, order).lists) {
                if (!list.empty()) return change(list, pick_listed(d, p.arena, list), order);
            }
        }
    }
    template <class Change>
    static void change_state(const Part& p, Damage& d, FrameIndex block, Change&& change) {
        if (block == no_frame) return;
        PageState state = page(p, block).load_state();
        change(state);
        d.set(page(p, block).state, state);
    }
    template <class Change>
    static void change_free(const Part& p, Damage& d, Change&& change) {
        with_free_block(p, d, Order{0}, max_order,
                        [&](PageList&, FrameIndex block, Order) { change(page(p, block)); });
    }

    // --- B1, B5 ---
    static void call_free(const Part& p, Damage& d) {
        change_state(p, d, used_block(p, d), [](PageState& s) { s.kind = PageKind::free_block; });
    }
    static void call_per_cpu(const Part& p, Damage& d) {
        change_state(p, d, used_block(p, d), [](PageState& s) { s.kind = PageKind::per_cpu; });
    }
    static void lose_block(const Part& p, Damage& d) {
        change_state(p, d, used_block(p, d), [](PageState& s) { s = {}; });
    }
    static void grow_block(const Part& p, Damage& d) {
        change_state(p, d, used_block(p, d), [](PageState& s) { s.order = order_count; });
    }

    // --- B2 ---
    static void count_blocks(const Part& p, Damage& d) {
        FreeArea& a = area(p, Order{static_cast<unsigned>(d.pick(order_count))});
        d.set(a.blocks, a.blocks + 1);
    }
    static void count_pages(const Part& p, Damage& d) {
        auto& pages = Inside::free_pages(p.zone);
        d.set(pages, pages + 1);
    }
    static void hold_back(const Part& p, Damage& d) {
        PerCpuPages& pcp = per_cpu(p, d);
        d.set(pcp.free_pages_difference, p.zone.counter_threshold() + 1);
    }
    static void break_list(const Part& p, Damage& d) {
        for (Order order; order <= max_order; ++order) {
            for (PageList& list : area(p, order).lists) {
                if (list.head() != list.tail()) return break_links(d, p.arena, list);
            }
        }
    }

    // --- B3, B4, B6, B13 ---
    static void change_order(const Part& p, Damage& d) {
        change_free(p, d, [&](Page& page) {
            PageState state = page.load_state();
            ++state.order;
            d.set(page.state, state);
        });
    }
    static void call_used(const Part& p, Damage& d) {
        change_free(p, d, [&](Page& page) {
            PageState state = page.load_state();
            state.kind = PageKind::allocated;
            d.set(page.state, state);
        });
    }
    static void change_type(const Part& p, Damage& d) {
        change_free(p, d, [&](Page& page) {
            PageState state = page.load_state();
            state.type = state.type == MigrateType::movable ? MigrateType::unmovable : MigrateType::movable;
            d.set(page.state, state);
        });
    }
    static void leave_word(const Part& p, Damage& d) {
        change_free(p, d, [&](Page& page) { d.set(page.word, 1U); });
    }
    static void leave_owner(const Part& p, Damage& d) {
        change_free(p, d, [&](Page& page) { d.set(page.owner, &page); });
    }
    /// The second frame of a block stands on the list in the place of the first.
    static void shift_block(const Part& p, Damage& d) {
        with_free_block(p, d, Order{1}, max_order, [&](PageList& list, FrameIndex block, Order) {
            take_off(d, p.arena, list, block);
            keep_page(d, page(p, block + 1));
            page(p, block + 1).store_state(page(p, block).load_state());
            list.push_head(p.arena, block + 1);
        });
    }
    /// Both halves of a block stand on the list below.
    static void cut_block(const Part& p, Damage& d) {
        const auto cut = [&](PageList& list, FrameIndex block, Order order) {
            const MigrateType type = page(p, block).load_state().type;
            const Order half{order.value() - 1};
            const auto upper = static_cast<FrameIndex>(block + half.pages());
            keep_list(d, p.arena, area(p, half).list(type), block);
            d.keep(area(p, half).blocks);
            take_off(d, p.arena, list, block);
            d.set(area(p, order).blocks, area(p, order).blocks - 1);
            for (const FrameIndex i : {block, upper}) {
                keep_page(d, page(p, i));
                Inside::add_free_block(p.zone, i, half, type);
            }
        };
        with_free_block(p, d, Order{1}, p.zone.pageblock_order(), cut);
    }

    // --- B7 ---
    static void count_reserve(const Part& p, Damage& d) {
        auto& reserved = Inside::reserved_highatomic(p.zone);
        d.set(reserved, reserved + p.zone.pageblock_pages());
    }
    static void reserve_all(const Part& p, Damage& d) {
        const std::uint64_t step = p.zone.pageblock_pages();
        std::uint64_t reserved = 0;
        for (Pfn at = p.zone.span().start; at < p.zone.span().end;
             at = at.align_down(p.zone.pageblock_order()) + step) {
            const MigrateType was = p.zone.pageblock_type(at);
            d.repair_by([&zone = p.zone, at, was] { Inside::set_pageblock_type(zone, at, was); });
            Inside::set_pageblock_type(p.zone, at, MigrateType::highatomic);
            reserved += step;
        }
        if (reserved > p.zone.managed() / 100 + 2 * step)
            d.set(Inside::reserved_highatomic(p.zone), reserved);
        else
            d.repair();
    }

    // --- B8 ---
    static void count_listed(const Part& p, Damage& d) {
        PerCpuPages& pcp = per_cpu(p, d);
        d.set(pcp.room, pcp.room - 1);
    }
    static void list_stranger(const Part& p, Damage& d) {
        const FrameIndex used = used_block(p, d);
        if (used != no_frame) d.set(per_cpu(p, d).fronts[0], used);
    }
    static void list_nowhere(const Part& p, Damage& d) {
        d.set(per_cpu(p, d).fronts[0], static_cast<FrameIndex>(p.arena.frames()));
    }
    static void break_cpu_list(const Part& p, Damage& d) {
        for (PageList& list : per_cpu(p, d).lists) {
            if (list.head() != list.tail()) return break_links(d, p.arena, list);
        }
    }
    static void lower_high(const Part& p, Damage& d) {
        constexpr std::int64_t too_low = -1'000'000;
        PerCpuPages& pcp = per_cpu(p, d);
        d.keep(pcp.high);
        d.keep(pcp.room);
        pcp.set_high(too_low);
    }

    // --- B10 ---
    static void raise_min(const Part& p, Damage& d) {
        Watermarks& marks = Inside::settings(p.zone).marks;
        d.set(marks.min, marks.high + 1);
    }
    static void change_reserve(const Part& p, Damage& d) {
        auto& reserve = Inside::settings(p.zone).lowmem_reserve[0];
        d.set(reserve, reserve + 1);
    }

  public:
    static constexpr std::array<DamageKind<Part>, 24> kinds{{
        {"a block in use that says it is free", "B1 B4", call_free},
        {"a block in use that says it is on a CPU's list", "B1", call_per_cpu},
        {"a frame in no block", "B5", lose_block},
        {"a block larger than any", "B5", grow_block},
        {"a wrong number of free blocks", "B2", count_blocks},
        {"a wrong number of free pages", "B2", count_pages},
        {"a CPU that holds back too much of a counter", "B2", hold_back},
        {"a free list with a wrong link", "B2", break_list},
        {"a free block that says another order", "B3", change_order},
        {"a free block that says it is in use", "B3", call_used},
        {"a free block that is not aligned", "B3", shift_block},
        {"two buddies that are free", "B4", cut_block},
        {"a free block that says another type", "B6 B4", change_type},
        {"a free block with an owner's word", "B13", leave_word},
        {"a free block with an owner", "B13", leave_owner},
        {"a wrong size of the reserve", "B7", count_reserve},
        {"a reserve of everything", "B7 B4", reserve_all},
        {"a wrong number of pages on a CPU's lists", "B8", count_listed},
        {"a block in use on a CPU's list", "B8", list_stranger},
        {"no frame at all on a CPU's list", "B8", list_nowhere},
        {"a CPU's list with a wrong link", "B8", break_cpu_list},
        {"more pages on a CPU's lists than it may have", "B8", lower_high},
        {"a min mark above the others", "B10", raise_min},
        {"a reserve for lower zones that is not what zones come to", "B10", change_reserve},
    }};
};

}  // namespace

template <class Cpus>
std::span<const DamageKind<ZonePart<Cpus>>> zone_damages() {
    return Table<Cpus>::kinds;
}

template std::span<const DamageKind<ZonePart<OwnedCpus>>> zone_damages();
template std::span<const DamageKind<ZonePart<SimulatedCpus>>> zone_damages();

}  // namespace kmemlab::fuzz

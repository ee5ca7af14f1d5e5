#include "allocators/buddy/state.hpp"

#include "allocators/buddy/inside.hpp"

namespace kmemlab {

template <class Cpus>
void restore(Zone<Cpus>& zone, const Arena& arena, const ZoneState& state) {
    using Inside = typename Zone<Cpus>::Inside;
    Inside::forget_lists(zone);
    for (const FrameRange& range : zone.memory()) {
        for (Pfn pfn = range.start; pfn < range.end; ++pfn)
            arena.page(pfn).store_state({PageKind::reserved, 0, MigrateType::unmovable, 0});
    }
    for (const Pfn pfn : state.lru) arena.page(pfn).store_state({PageKind::lru, 0, MigrateType::movable, 0});
    const auto clear = [&](Pfn first, Order order) {
        for (std::uint64_t i = 0; i < order.pages(); ++i) arena.page(first + i).store_state({});
    };
    for (const FreeListEntry& entry : state.free_lists) {
        clear(entry.pfn, entry.order);
        Inside::add_free_block(zone, arena.index(entry.pfn), entry.order, entry.type);
    }
    for (const PageSetEntry& entry : state.page_set_entries) {
        const Order order{entry.list / request_types};
        clear(entry.pfn, order);
        arena.page(entry.pfn).store_state(
            {PageKind::per_cpu, static_cast<std::uint8_t>(order.value()), entry.type, 0});
        PerCpuPages& pcp = zone.per_cpu(entry.cpu);
        pcp.lists[entry.list].push_tail(arena, arena.index(entry.pfn));
        pcp.add(static_cast<std::int64_t>(order.pages()));
    }
    for (const PageSetState& set : state.page_sets) {
        PerCpuPages& pcp = zone.per_cpu(set.cpu);
        pcp.set_high(set.high);
        pcp.batch = set.batch;
        pcp.free_factor = set.free_factor;
        pcp.free_pages_difference = set.free_pages_difference;
    }
    for (const PageblockEntry& entry : state.pageblocks)
        Inside::set_pageblock_type(zone, entry.pfn, entry.type);
    Inside::set_counters(zone, state);
}

template <class Cpus>
ZoneState record(const Zone<Cpus>& zone, const Arena& arena, unsigned cpus) {
    ZoneState state;
    state.marks = zone.settings().marks;
    state.boost = zone.boost();
    state.reserved_highatomic = zone.reserved_highatomic();
    state.free_pages = zone.free_pages();
    state.lowmem_reserve = zone.settings().lowmem_reserve;
    if (!zone.populated()) return state;
    const Order pageblock = zone.pageblock_order();
    for (Pfn pfn = zone.span().start.align_down(pageblock); pfn < zone.span().end; pfn += pageblock.pages()) {
        state.pageblocks.push_back({pfn, zone.pageblock_type(pfn)});
    }
    for (Order order; order <= max_order; ++order) {
        for (unsigned t = 0; t < migrate_types; ++t) {
            const auto type = MigrateType{static_cast<std::uint8_t>(t)};
            zone.free_area(order).list(type).walk(arena, zone.present(), [&](FrameIndex index) {
                state.free_lists.push_back({order, type, arena.pfn_at(index)});
                return true;
            });
        }
    }
    for (CpuId cpu; cpu.value() < cpus; ++cpu) {
        const PerCpuPages& pcp = zone.per_cpu(cpu);
        state.page_sets.push_back({cpu, pcp.high, pcp.batch, pcp.free_factor, pcp.free_pages_difference});
        for (unsigned list = 0; list < pcp_lists; ++list) {
            pcp.walk(list, arena, zone.present(), [&](FrameIndex index) {
                state.page_set_entries.push_back(
                    {cpu, list, arena.pfn_at(index), arena.page_at(index).load_state().type});
                return true;
            });
        }
    }
    return state;
}

template void restore(Zone<OwnedCpus>&, const Arena&, const ZoneState&);
template void restore(Zone<SimulatedCpus>&, const Arena&, const ZoneState&);
template ZoneState record(const Zone<OwnedCpus>&, const Arena&, unsigned);
template ZoneState record(const Zone<SimulatedCpus>&, const Arena&, unsigned);

}  // namespace kmemlab

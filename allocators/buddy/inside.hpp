/// The inside of a zone, for two readers only: state.cpp, which puts a recorded state back, and the tests
/// that corrupt each invariant and demand that the checker name it.
#pragma once

#include "allocators/buddy/state.hpp"
#include "allocators/buddy/zone.hpp"

namespace kmemlab {

template <class Cpus>
struct Zone<Cpus>::Inside {
    static FreeArea& free_area(Zone& zone, Order order) { return zone.free_areas_[order.value()]; }
    static std::atomic<std::int64_t>& free_pages(Zone& zone) { return zone.free_pages_; }
    static std::atomic<std::uint64_t>& reserved_highatomic(Zone& zone) { return zone.reserved_highatomic_; }
    static ZoneSettings& settings(Zone& zone) { return zone.settings_; }

    static void forget_lists(Zone& zone) {
        zone.free_areas_ = {};
        for (CpuId cpu; cpu.value() < zone.cpus_.count(); ++cpu) zone.per_cpu_[cpu] = {};
    }
    static void add_free_block(Zone& zone, FrameIndex index, Order order, MigrateType type) {
        zone.add(index, order, type, true);
    }
    /// As recorded, whether or not grouping is on.
    static void set_pageblock_type(Zone& zone, Pfn pfn, MigrateType type) {
        zone.pageblock_types_[zone.pageblock(pfn)].store(type, std::memory_order_relaxed);
    }
    static void set_counters(Zone& zone, const ZoneState& state) {
        zone.settings_.marks = state.marks;
        zone.settings_.lowmem_reserve = state.lowmem_reserve;
        zone.boost_ = state.boost;
        zone.reserved_highatomic_ = state.reserved_highatomic;
        zone.free_pages_ = state.free_pages;
        zone.update_easy_marks();
    }
};

}  // namespace kmemlab

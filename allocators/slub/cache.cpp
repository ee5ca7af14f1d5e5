#include "allocators/slub/cache.hpp"

namespace kmemlab {

std::string_view to_string(SlubEvent event) {
    constexpr std::array<std::string_view, slub_event_count> names{"alloc_fastpath",
                                                                   "free_fastpath",
                                                                   "alloc_slowpath",
                                                                   "free_slowpath",
                                                                   "free_frozen",
                                                                   "free_add_partial",
                                                                   "free_remove_partial",
                                                                   "alloc_from_partial",
                                                                   "alloc_slab",
                                                                   "alloc_refill",
                                                                   "free_slab",
                                                                   "cpuslab_flush",
                                                                   "deactivate_full",
                                                                   "deactivate_empty",
                                                                   "deactivate_to_head",
                                                                   "deactivate_to_tail",
                                                                   "deactivate_remote_frees",
                                                                   "deactivate_bypass",
                                                                   "order_fallback",
                                                                   "cmpxchg_double_fail",
                                                                   "cmpxchg_double_cpu_fail",
                                                                   "cpu_partial_alloc",
                                                                   "cpu_partial_free",
                                                                   "cpu_partial_node",
                                                                   "cpu_partial_drain"};
    return names[static_cast<std::size_t>(event)];
}

std::uint64_t SlubCacheCore::total(SlubEvent event) const {
    std::uint64_t sum = 0;
    for (unsigned c = 0; c < slots.count(); ++c) sum += slots[CpuId{c}].counted(event);
    return sum;
}

std::uint64_t SlubCacheCore::live() const {
    return total(SlubEvent::alloc_fastpath) + total(SlubEvent::alloc_slowpath) -
           total(SlubEvent::free_fastpath) - total(SlubEvent::free_slowpath);
}

CacheTraffic SlubCacheCore::traffic() const {
    return {.refills = total(SlubEvent::alloc_slowpath),
            .flushes = total(SlubEvent::cpu_partial_drain) + total(SlubEvent::cpuslab_flush)};
}

std::size_t SlubCacheCore::metadata_bytes() const {
    const bool name_on_heap = name.capacity() > std::string{}.capacity();
    return sizeof *this + slots.metadata_bytes() + (name_on_heap ? name.capacity() + 1 : 0) +
           random_order.capacity() * sizeof(random_order[0]);
}

}  // namespace kmemlab

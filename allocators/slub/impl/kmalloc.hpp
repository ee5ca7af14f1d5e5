/// Part of slub.cpp: kmalloc beyond the size classes, sizes, and the allocator's view of it all.
#pragma once

#include <algorithm>
#include <bit>

#include "allocators/slub/slub.hpp"

namespace kmemlab {

template <class Cpus>
void* Slub<Cpus>::kmalloc_other(std::size_t size, Gfp gfp, CpuId cpu) {
    if (size == 0) return zero_size_ptr();
    return kmalloc_large(size, gfp, cpu);
}

/// SLUB-60: a compound block straight from the page source.
template <class Cpus>
void* Slub<Cpus>::kmalloc_large(std::size_t size, Gfp gfp, CpuId cpu) {
    const std::optional<Pfn> pfn =
        size > kmalloc_max_size ? std::nullopt : source_.take(order_of(size), gfp | __GFP_COMP, cpu);
    cpu_states_[cpu].count(&CpuWork::allocations, pfn ? Path::large : Path::failed);
    if (!pfn) return nullptr;
    const Order order = order_of(size);
    cpu_states_[cpu].pages_taken += order.pages();
    const FrameIndex head = arena_.index(*pfn);
    frames_used_.note(head, order.pages());
    Page& page = pages_[head];
    page.owner = this;
    PageState state = page.load_state();
    state.kind = PageKind::large;
    state.order = static_cast<std::uint8_t>(order.value());
    page.store_state(state);
    return slab_start(head);
}

template <class Cpus>
void Slub<Cpus>::free_large(FrameIndex head, CpuId cpu) {
    Page& page = pages_[head];
    PageState state = page.load_state();
    const Order order{state.order};
    state.kind = PageKind::allocated;
    page.store_state(state);
    page.owner = nullptr;
    cpu_states_[cpu].pages_given += order.pages();
    cpu_states_[cpu].count(&CpuWork::frees, Path::large);
    source_.give(arena_.pfn_at(head), order, cpu);
}

template <class Cpus>
std::size_t Slub<Cpus>::ksize(const void* object) const {
    if (is_zero_or_null(object)) return 0;
    const FrameIndex slab = slab_of(object);
    if (slab == no_frame) return 0;
    const PageState state = pages_[slab].load_state();
    if (state.kind == PageKind::large) return Order{state.order}.bytes();
    const Geometry& g = static_cast<const Cache*>(pages_[slab].owner)->geometry;
    if (has(g.flags, CacheFlags::red_zone | CacheFlags::poison)) return g.object_size;
    if (has(g.flags, CacheFlags::typesafe_by_rcu | CacheFlags::store_user)) return g.inuse;
    return g.size;
}

template <class Cpus>
std::size_t Slub<Cpus>::kmalloc_size_roundup(std::size_t size) const {
    if (size == 0 || size > kmalloc_max_size) return size;
    if (size > kmalloc_max_cache_size) return order_of(size).bytes();
    return kmalloc_cache(size, GFP_KERNEL).geometry.object_size;
}

template <class Cpus>
void Slub<Cpus>::drain(CpuId cpu) {
    for (const auto& cache : caches_) kmem_cache_shrink(*cache, cpu);
}

template <class Cpus>
void Slub<Cpus>::set_cpu_partial(Cache& cache, std::uint32_t objects, CpuId cpu) {
    if (cache.debug) return;  // has no such lists (SLUB-72)
    cache.geometry.cpu_partial = objects;
    cache.partial_slab_limit = cpu_partial_slabs(objects, cache.geometry.objects);
    flush_all(cache, cpu);
}

template <class Cpus>
void Slub<Cpus>::set_min_partial(Cache& cache, std::uint32_t slabs) {
    cache.min_partial = slabs;
    cache.most_empty = std::max(cache.most_empty, slabs);
}

template <class Cpus>
AllocatorStats Slub<Cpus>::stats() const {
    AllocatorStats stats = sum_of(cpu_states_);
    stats.metadata_bytes += sizeof *this + caches_.capacity() * sizeof(caches_[0]);
    constexpr auto fast = static_cast<std::size_t>(Path::fast);
    for (const auto& cache : caches_) {
        stats.allocations[fast] += cache->total(SlubEvent::alloc_fastpath);
        stats.frees[fast] += cache->total(SlubEvent::free_fastpath);
        stats.metadata_bytes += sizeof(Cache) - sizeof(SlubCacheCore) + cache->metadata_bytes();
    }
    return stats;
}

}  // namespace kmemlab

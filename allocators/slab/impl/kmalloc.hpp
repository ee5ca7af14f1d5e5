/// Part of slab.cpp: kmalloc beyond the size classes, sizes, and the allocator's view of it all.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "allocators/slab/slab.hpp"

namespace kmemlab {

template <class Cpus>
void* Slab<Cpus>::kmalloc_other(std::size_t size, Gfp gfp, CpuId cpu) {
    if (size == 0) return zero_size_ptr();
    return kmalloc_large(size, gfp, cpu);
}

/// SLUB-60: a compound block straight from the page source.
template <class Cpus>
void* Slab<Cpus>::kmalloc_large(std::size_t size, Gfp gfp, CpuId cpu) {
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
void Slab<Cpus>::free_large(FrameIndex head, CpuId cpu) {
    cpu_states_[cpu].count(&CpuWork::frees, Path::large);
    give_pages(head, cpu);
}

/// kfree of what lies in no slab.
template <class Cpus>
void Slab<Cpus>::kfree_other(void* object, CpuId cpu) {
    if (is_zero_or_null(object)) return;
    const FrameIndex head = block_of(object);
    if (head == no_frame) return report_foreign(nullptr, object);
    if (object != slab_start(head)) {
        return report(MisuseKind::interior_pointer, nullptr, object,
                      fmt::format("Invalid object pointer {}: a large block begins at {}", fmt::ptr(object),
                                  fmt::ptr(slab_start(head))));
    }
    free_large(head, cpu);
}

template <class Cpus>
std::size_t Slab<Cpus>::ksize(const void* object) const {
    if (is_zero_or_null(object)) return 0;
    const FrameIndex slab = block_of(object);
    if (slab == no_frame) return 0;
    const PageState state = pages_[slab].load_state();
    if (state.kind == PageKind::large) return Order{state.order}.bytes();
    return static_cast<const Cache*>(pages_[slab].owner)->geometry.object_size;
}

template <class Cpus>
std::size_t Slab<Cpus>::kmalloc_size_roundup(std::size_t size) const {
    if (size == 0 || size > kmalloc_max_size) return size;
    if (size > kmalloc_max_cache_size) return order_of(size).bytes();
    return kmalloc_cache(size, GFP_KERNEL).geometry.object_size;
}

/// Index arrays off their slabs are memory held, not operations of the caller's.
template <class Cpus>
AllocatorStats Slab<Cpus>::stats() const {
    AllocatorStats stats = sum_of(cpu_states_);
    stats.metadata_bytes += sizeof *this + caches_.capacity() * sizeof(caches_[0]);
    constexpr auto fast = static_cast<std::size_t>(Path::fast);
    for (const auto& cache : caches_) {
        stats.allocations[fast] += cache->alloc_hits();
        stats.frees[fast] += cache->free_hits();
        stats.metadata_bytes += sizeof *cache - sizeof(SlabCacheCore) + cache->metadata_bytes();
    }
    for (CpuId c{0}; c.value() < cpus_.count(); ++c) {
        stats.allocations[fast] -= cpu_states_[c].own_fast_allocations;
        stats.frees[fast] -= cpu_states_[c].own_fast_frees;
    }
    return stats;
}

}  // namespace kmemlab

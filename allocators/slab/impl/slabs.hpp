/// Part of slab.cpp: making and destroying slabs (SLAB-20..23, 42).
#pragma once

#include <algorithm>
#include <optional>

#include "allocators/objects/random_order.hpp"
#include "allocators/slab/slab.hpp"

namespace kmemlab {

template <class Cpus>
std::uint8_t* Slab<Cpus>::indexes_of(const Cache& cache, FrameIndex slab, const SlabHead& head) const {
    std::byte* at = nullptr;
    switch (cache.geometry.place) {
        case IndexPlace::in_object:
            at = object_at(cache, slab, head, head.position);
            break;
        case IndexPlace::off_slab:
            at = memory_ + head.position * SlabHead::position_unit;
            break;
        case IndexPlace::on_slab:
            at = slab_start(slab) + cache.geometry.order.bytes() - cache.geometry.objects;
            break;
    }
    return reinterpret_cast<std::uint8_t*>(at);
}

/// SLAB-20: a slab with all its objects in it, on no list yet; no_frame: no memory.
template <class Cpus>
FrameIndex Slab<Cpus>::new_slab(Cache& cache, Gfp gfp, CpuId cpu) {
    const FrameIndex slab = take_pages(cache, gfp, cpu);
    if (slab == no_frame) return no_frame;
    SlabHead head{0, next_colour(cache), 0};
    if (cache.geometry.place == IndexPlace::off_slab) {
        const void* const indexes = own_kmalloc(cache.geometry.objects, gfp, cpu);
        if (indexes == nullptr) {
            give_pages(slab, cpu);
            return no_frame;
        }
        head.position = offset_of(indexes) / SlabHead::position_unit;
    }
    construct_objects(cache, slab, head);
    write_indexes(cache, slab, head);
    head.store(pages_[slab]);
    add_shared(cache.slabs_made, 1, cpus_.alone());
    return slab;
}

namespace slab_detail {

/// SLAB-20: what of a request's flags, and of the cache's, goes to the page source.
inline Gfp page_request(const SlabGeometry& geometry, Gfp gfp) {
    constexpr Gfp kept = __GFP_RECLAIM | __GFP_HIGH | __GFP_IO | __GFP_FS | __GFP_NOWARN |
                         __GFP_RETRY_MAYFAIL | __GFP_NORETRY | __GFP_MEMALLOC | __GFP_NOMEMALLOC |
                         __GFP_ATOMIC | __GFP_HARDWALL | __GFP_THISNODE;
    Gfp request = (gfp & kept) | __GFP_COMP;
    if (has(geometry.flags, CacheFlags::cache_dma)) request = request | __GFP_DMA;
    if (has(geometry.flags, CacheFlags::cache_dma32)) request = request | __GFP_DMA32;
    if (has(geometry.flags, CacheFlags::reclaim_account)) request = request | __GFP_RECLAIMABLE;
    return request;
}

}  // namespace slab_detail

template <class Cpus>
FrameIndex Slab<Cpus>::take_pages(Cache& cache, Gfp gfp, CpuId cpu) {
    const Order order = cache.geometry.order;
    const std::optional<Pfn> pfn = source_.take(order, slab_detail::page_request(cache.geometry, gfp), cpu);
    if (!pfn) return no_frame;
    cpu_states_[cpu].pages_taken += order.pages();
    const FrameIndex slab = arena_.index(*pfn);
    frames_used_.note(slab, order.pages());
    Page& page = pages_[slab];
    page.owner = &cache;
    if (order == Order{0}) page.head = slab;  // a compound block has it from the source
    PageState state = page.load_state();
    state.kind = PageKind::slab;
    state.order = static_cast<std::uint8_t>(order.value());
    page.store_state(state);
    return slab;
}

template <class Cpus>
void Slab<Cpus>::give_pages(FrameIndex slab, CpuId cpu) {
    Page& page = pages_[slab];
    PageState state = page.load_state();
    const Order order{state.order};
    cpu_states_[cpu].pages_given += order.pages();
    page.word = 0;
    page.owner = nullptr;
    if (order == Order{0}) page.head = no_frame;
    state.kind = PageKind::allocated;
    page.store_state(state);
    source_.give(arena_.pfn_at(slab), order, cpu);
}

/// SLAB-20: the node's counter advances before it is used.
template <class Cpus>
std::size_t Slab<Cpus>::next_colour(Cache& cache) const {
    std::atomic<std::uint32_t>& counter = cache.node.colour_next;
    std::uint32_t before = counter.load(std::memory_order_relaxed);
    std::uint32_t after = 0;
    do {
        after = before + 1 >= cache.geometry.colours ? 0 : before + 1;
    } while (!counter.compare_exchange_weak(before, after, std::memory_order_relaxed));
    return after * cache.geometry.colour_off;
}

/// SLAB-21, 22: in which order the objects go out. In a free object the indexes lie in the one that goes
/// last.
template <class Cpus>
void Slab<Cpus>::write_indexes(Cache& cache, FrameIndex slab, SlabHead& head) {
    const std::uint32_t objects = cache.geometry.objects;
    const bool in_object = cache.geometry.place == IndexPlace::in_object;
    const auto& order = cache.random_order;
    std::size_t start = 0;
    if (!order.empty()) {
        start = mix(config_.seed + random_draws_.fetch_add(1, std::memory_order_relaxed)) % objects;
        if (in_object) ++start;  // the entry read first goes to the end
    }
    const auto index = [&](std::uint32_t i) {
        return static_cast<std::uint8_t>(order.empty() ? i : order[(start + i) % objects]);
    };
    if (in_object) head.position = index(objects - 1);
    std::uint8_t* const indexes = indexes_of(cache, slab, head);
    for (std::uint32_t i = 0; i < objects; ++i) indexes[i] = index(i);
}

/// SLAB-23.
template <class Cpus>
void Slab<Cpus>::construct_objects(Cache& cache, FrameIndex slab, const SlabHead& head) const {
    if (cache.constructor == nullptr) return;
    for (std::uint32_t i = 0; i < cache.geometry.objects; ++i) {
        cache.constructor(object_at(cache, slab, head, i));
    }
    cache.constructed.fetch_add(cache.geometry.objects, std::memory_order_relaxed);
}

/// SLAB-42. The slab is on no list and not counted any more.
template <class Cpus>
void Slab<Cpus>::destroy_slab(Cache& cache, FrameIndex slab, CpuId cpu) {
    const SlabHead head = SlabHead::load(pages_[slab]);
    give_pages(slab, cpu);
    if (cache.geometry.place == IndexPlace::off_slab) {
        own_kfree(memory_ + head.position * SlabHead::position_unit, cpu);
    }
}

/// Destroys slabs linked by Page::next.
template <class Cpus>
void Slab<Cpus>::destroy_slabs(Cache& cache, FrameIndex first, CpuId cpu) {
    while (first != no_frame) {
        const FrameIndex slab = first;
        first = pages_[slab].next;
        destroy_slab(cache, slab, cpu);
    }
}

/// kmalloc and kfree of free indexes: they count as live objects of their cache, not as operations.
template <class Cpus>
void* Slab<Cpus>::own_kmalloc(std::size_t size, Gfp gfp, CpuId cpu) {
    Cache& cache = kmalloc_cache(size, GFP_KERNEL);
    if (void* const object = pop(cache, cpu)) {
        ++cpu_states_[cpu].own_fast_allocations;
        return object;
    }
    ArrayCache& array = cache.arrays[cpu];
    const SlowSection section{*this, cache, array, cpu};
    Path path = Path::failed;
    return refill(cache, array, gfp, cpu, path);
}

template <class Cpus>
void Slab<Cpus>::own_kfree(void* object, CpuId cpu) {
    Cache& cache = *static_cast<Cache*>(pages_[block_of(object)].owner);
    if (push(cache, object, cpu)) {
        ++cpu_states_[cpu].own_fast_frees;
        return;
    }
    ArrayCache& array = cache.arrays[cpu];
    const SlowSection section{*this, cache, array, cpu};
    static_cast<void>(flush(cache, array, cpu));
    ++array.free_misses;
    array.push(object);
}

}  // namespace kmemlab

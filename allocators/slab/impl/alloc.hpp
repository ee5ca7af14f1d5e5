/// Part of slab.cpp: allocation past the CPU's array (SLAB-11..16).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "allocators/slab/impl/slow_section.hpp"
#include "allocators/slab/slab.hpp"

namespace kmemlab {

template <class Cpus>
void* Slab<Cpus>::slow_alloc(Cache& cache, Gfp gfp, CpuId cpu) {
    ArrayCache& array = cache.arrays[cpu];
    const SlowSection section{*this, cache, array, cpu};
    Path path = Path::failed;
    void* const object = refill(cache, array, gfp, cpu, path);
    cpu_states_[cpu].count(&CpuWork::allocations, path);
    return object;
}

/// Fills the array and takes its top (SLAB-16); `path` says from where it was filled.
template <class Cpus>
void* Slab<Cpus>::refill(Cache& cache, ArrayCache& array, Gfp gfp, CpuId cpu, Path& path) {
    constexpr std::uint32_t untouched_batch = 16;
    std::uint32_t batch = array.batchcount;
    if (!array.touched) batch = std::min(batch, untouched_batch);  // SLAB-11
    if (!refill_from_node(cache, array, batch, path, cpu)) {
        path = Path::new_slab;
        if (!refill_from_new_slab(cache, array, batch, gfp, cpu)) {
            path = Path::failed;
            return nullptr;
        }
    }
    array.touched = true;
    ++array.alloc_misses;
    return array.pop();
}

/// SLAB-12..14. False if the node had nothing.
template <class Cpus>
bool Slab<Cpus>::refill_from_node(Cache& cache, ArrayCache& array, std::uint32_t batch, Path& path,
                                  CpuId cpu) {
    SlabNode& node = cache.node;
    if (node.free_objects.load(std::memory_order_relaxed) == 0 &&
        node.shared_avail.load(std::memory_order_relaxed) == 0) {
        return false;
    }
    const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
    if (node.shared.avail > 0) {
        path = Path::shared;
        take_shared(cache, array, batch);
        return true;
    }
    path = Path::refill;
    std::uint32_t moved = 0;
    while (moved < batch) {
        const bool none_partial = node.partial.empty();
        if (none_partial) node.free_touched = true;
        PageList& list = none_partial ? node.free : node.partial;
        if (list.empty()) break;
        const FrameIndex slab = list.pop_head(arena_);
        if (none_partial) --node.free_slabs;
        moved += take_objects(cache, array, slab, batch - moved);
    }
    add_locked(node.free_objects, -std::int64_t{moved});
    return moved > 0;
}

/// SLAB-12: the newest entries of the shared array, in their order.
template <class Cpus>
void Slab<Cpus>::take_shared(Cache& cache, ArrayCache& array, std::uint32_t batch) const {
    ArrayCache& shared = cache.node.shared;
    const std::uint32_t n = std::min({shared.avail, batch, array.limit});
    shared.avail -= n;
    std::copy_n(shared.entries.get() + shared.avail, n, array.entries.get());
    array.avail = n;
    shared.touched = true;
    cache.node.shared_avail.store(shared.avail, std::memory_order_relaxed);
}

/// SLAB-13: moves at most `most` objects of a slab that is on no list to the top of the array, and the slab
/// to the list where it belongs. Returns how many moved. The lock is held.
template <class Cpus>
std::uint32_t Slab<Cpus>::take_objects(Cache& cache, ArrayCache& array, FrameIndex slab,
                                       std::uint32_t most) const {
    SlabHead head = SlabHead::load(pages_[slab]);
    const std::uint8_t* const indexes = indexes_of(cache, slab, head);
    const std::uint32_t n = std::min(most, cache.geometry.objects - head.active);
    for (std::uint32_t i = 0; i < n; ++i) {
        array.push(object_at(cache, slab, head, indexes[head.active++]));
    }
    const bool full = head.active == cache.geometry.objects;
    if (full && cache.geometry.place == IndexPlace::in_object) head.position = SlabHead::no_position;
    head.store(pages_[slab]);
    (full ? cache.node.full : cache.node.partial).push_head(arena_, slab);
    return n;
}

/// SLAB-15. False: no memory.
template <class Cpus>
bool Slab<Cpus>::refill_from_new_slab(Cache& cache, ArrayCache& array, std::uint32_t batch, Gfp gfp,
                                      CpuId cpu) {
    const FrameIndex slab = new_slab(cache, gfp, cpu);
    if (slab == no_frame) return false;
    const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
    ++cache.node.total_slabs;
    const std::uint32_t moved = take_objects(cache, array, slab, batch);
    add_locked(cache.node.free_objects, cache.geometry.objects - moved);
    return true;
}

/// G5. A constructed object is not zeroed (S8): who asks for both made a mistake.
template <class Cpus>
void Slab<Cpus>::zero(const Cache& cache, void* object) {
    if (cache.constructor == nullptr) {
        std::memset(object, 0, cache.geometry.object_size);
        return;
    }
    report(MisuseKind::bad_request, &cache, object, "__GFP_ZERO for a cache with a constructor");
}

}  // namespace kmemlab

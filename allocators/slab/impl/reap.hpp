/// Part of slab.cpp: what takes objects and slabs back although nobody freed (SLAB-8, 50..53).
#pragma once

#include <algorithm>
#include <limits>
#include <utility>

#include "allocators/slab/slab.hpp"

namespace kmemlab {

namespace slab_detail {

/// How often a CPU's reaper comes by, and how often it looks at a node.
inline constexpr Jiffies reap_array_every = 2 * jiffies_per_second;
inline constexpr Jiffies reap_node_every = 4 * jiffies_per_second;
/// The reapers of two CPUs do not start in the same jiffy.
inline constexpr Jiffies reap_apart = 3;

/// Of the next run at or after `from` of a CPU's reaper.
inline Jiffies next_reap(Jiffies from, CpuId cpu) {
    const Jiffies first = jiffies_per_second + reap_apart * cpu.value();
    if (from <= first) return first;
    return first + (from - first + reap_array_every - 1) / reap_array_every * reap_array_every;
}

/// SLAB-50: how many entries of an array the reaper returns. An array in use is spared once.
inline std::uint32_t entries_to_reap(ArrayCache& array) {
    if (array.avail == 0 || std::exchange(array.touched, false)) return 0;
    const std::uint32_t n = (array.limit + 4) / 5;
    return n > array.avail ? (array.avail + 1) / 2 : n;
}

}  // namespace slab_detail

template <class Cpus>
void Slab<Cpus>::reap(Jiffies now, CpuId cpu) {
    std::vector<Cache*> all;  // of this moment: others may create caches meanwhile
    caches_lock_.lock();
    for (auto cache = caches_.rbegin(); cache != caches_.rend(); ++cache) all.push_back(cache->get());
    caches_lock_.unlock();
    for (Cache* const cache : all) {  // newest first
        ArrayCache& array = cache->arrays[cpu];
        const std::uint32_t n = slab_detail::entries_to_reap(array);
        if (n > 0) drain_array(*cache, array, n, cpu);
        reap_node(*cache, now, cpu);
    }
}

/// SLAB-51.
template <class Cpus>
void Slab<Cpus>::reap_node(Cache& cache, Jiffies now, CpuId cpu) {
    SlabNode& node = cache.node;
    if (node.next_reap.load(std::memory_order_relaxed) > now) return;
    node.next_reap.store(now + slab_detail::reap_node_every, std::memory_order_relaxed);
    FrameIndex surplus = no_frame;
    bool in_use = false;
    {
        const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
        surplus = return_oldest(cache, node.shared, slab_detail::entries_to_reap(node.shared));
        in_use = std::exchange(node.free_touched, false);
    }
    destroy_slabs(cache, surplus, cpu);
    if (in_use) return;
    const std::uint64_t share = std::uint64_t{5} * cache.geometry.objects;
    release_free_slabs(cache, (node.free_limit + share - 1) / share, cpu);
}

/// Gives at most `most` empty slabs back, from the tail of their list.
template <class Cpus>
void Slab<Cpus>::release_free_slabs(Cache& cache, std::uint64_t most, CpuId cpu) {
    SlabNode& node = cache.node;
    for (; most > 0; --most) {
        FrameIndex slab = no_frame;
        {
            const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
            if (node.free.empty()) return;
            slab = node.free.pop_tail(arena_);
            --node.free_slabs;
            --node.total_slabs;
            add_locked(node.free_objects, -std::int64_t{cache.geometry.objects});
        }
        destroy_slab(cache, slab, cpu);
    }
}

template <class Cpus>
void Slab<Cpus>::advance_clock(Jiffies passed) {
    const Jiffies end = now_ + passed;
    for (++now_; now_ <= end;) {
        Jiffies next = std::numeric_limits<Jiffies>::max();
        for (CpuId c{0}; c.value() < cpus_.count(); ++c) {
            const Jiffies due = slab_detail::next_reap(now_, c);
            if (due == now_) reap(now_, c);
            next = std::min(next, slab_detail::next_reap(now_ + 1, c));
        }
        now_ = next;
    }
    now_ = end;
}

/// One CPU's part of SLAB-52.
template <class Cpus>
void Slab<Cpus>::drain_cpu(Cache& cache, CpuId drained, CpuId cpu) {
    ArrayCache& array = cache.arrays[drained];
    if (array.busy)
        array.drain_pending = true;
    else
        drain_array(cache, array, array.avail, cpu);
}

template <class Cpus>
void Slab<Cpus>::drain_array(Cache& cache, ArrayCache& array, std::uint32_t most, CpuId cpu) {
    FrameIndex surplus = no_frame;
    {
        const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
        surplus = return_oldest(cache, array, std::min(most, array.avail));
    }
    destroy_slabs(cache, surplus, cpu);
}

/// SLAB-52.
template <class Cpus>
void Slab<Cpus>::drain_all(Cache& cache, CpuId cpu) {
    for (CpuId c{0}; c.value() < cpus_.count(); ++c) drain_cpu(cache, c, cpu);
    drain_array(cache, cache.node.shared, cache.node.shared.limit, cpu);
}

template <class Cpus>
bool Slab<Cpus>::kmem_cache_shrink(Cache& cache, CpuId cpu) {
    drain_all(cache, cpu);
    release_free_slabs(cache, std::numeric_limits<std::uint64_t>::max(), cpu);
    return !cache.node.partial.empty() || !cache.node.full.empty();
}

/// The kmalloc caches come last: index arrays of the others lie in them.
template <class Cpus>
void Slab<Cpus>::drain(CpuId cpu) {
    for (auto cache = caches_.rbegin(); cache != caches_.rend(); ++cache) kmem_cache_shrink(**cache, cpu);
}

template <class Cpus>
bool Slab<Cpus>::tune(Cache& cache, std::uint32_t limit, std::uint32_t batchcount, std::uint32_t shared,
                      CpuId cpu) {
    if (limit < 1 || batchcount < 1 || batchcount > limit) return false;
    for (CpuId c{0}; c.value() < cpus_.count(); ++c) {
        ArrayCache& array = cache.arrays[c];
        drain_array(cache, array, array.avail, cpu);
        array.reset(limit, batchcount);
    }
    drain_array(cache, cache.node.shared, cache.node.shared.limit, cpu);
    cache.node.shared.reset(shared * batchcount, batchcount);
    cache.geometry.limit = limit;
    cache.geometry.batchcount = batchcount;
    cache.geometry.shared = shared;
    cache.node.free_limit = slab_free_limit(cpus_.count(), batchcount, cache.geometry.objects);
    return true;
}

}  // namespace kmemlab

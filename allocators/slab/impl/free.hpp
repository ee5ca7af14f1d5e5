/// Part of slab.cpp: the way of objects from a full array back to their slabs (SLAB-31..44).
#pragma once

#include <fmt/format.h>

#include <algorithm>

#include "allocators/slab/impl/slow_section.hpp"
#include "allocators/slab/slab.hpp"

namespace kmemlab {

/// SLAB-31.
template <class Cpus>
void Slab<Cpus>::slow_free(Cache& cache, void* object, CpuId cpu) {
    ArrayCache& array = cache.arrays[cpu];
    const SlowSection section{*this, cache, array, cpu};
    const Path path = flush(cache, array, cpu);
    ++array.free_misses;
    array.push(object);
    cpu_states_[cpu].count(&CpuWork::frees, path);
}

/// SLAB-32: the oldest batch leaves the array.
template <class Cpus>
Path Slab<Cpus>::flush(Cache& cache, ArrayCache& array, CpuId cpu) {
    std::uint32_t n = array.batchcount;
    Path path = Path::flush;
    FrameIndex surplus = no_frame;
    {
        const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
        ArrayCache& shared = cache.node.shared;
        if (shared.avail < shared.limit) {
            path = Path::shared;
            n = std::min(n, shared.limit - shared.avail);
            std::copy_n(array.entries.get(), n, shared.entries.get() + shared.avail);
            shared.avail += n;
            cache.node.shared_avail.store(shared.avail, std::memory_order_relaxed);
        } else {
            surplus = return_objects(cache, {array.entries.get(), n});
        }
        array.drop_oldest(n);
    }
    if (surplus == no_frame) return path;
    destroy_slabs(cache, surplus, cpu);
    return Path::discard;
}

template <class Cpus>
FrameIndex Slab<Cpus>::return_objects(Cache& cache, std::span<void* const> objects) {
    std::uint32_t returned = 0;
    for (void* const object : objects) returned += return_object(cache, object) ? 1U : 0U;
    add_locked(cache.node.free_objects, returned);
    cache.node.refused += objects.size() - returned;
    return take_surplus(cache);
}

/// SLAB-40: one object goes to its slab, and the slab to where it belongs. False: it is not ours to take.
template <class Cpus>
bool Slab<Cpus>::return_object(Cache& cache, void* object) {
    const FrameIndex slab = block_of(object);
    if (!belongs(cache, object, slab)) return false;
    SlabNode& node = cache.node;
    SlabHead head = SlabHead::load(pages_[slab]);
    const bool was_full = head.active == cache.geometry.objects;
    const auto index = cache.index_at(
        static_cast<std::size_t>(static_cast<std::byte*>(object) - slab_start(slab)) - head.colour);
    if (was_full && cache.geometry.place == IndexPlace::in_object) head.position = index;  // SLAB-22
    --head.active;
    indexes_of(cache, slab, head)[head.active] = static_cast<std::uint8_t>(index);
    head.store(pages_[slab]);
    (was_full ? node.full : node.partial).remove(arena_, slab);
    if (head.active == 0) {
        node.free.push_head(arena_, slab);
        ++node.free_slabs;
    } else {
        node.partial.push_tail(arena_, slab);
    }
    return true;
}

/// Is the object among the free indexes? Only the debug checks look.
template <class Cpus>
bool Slab<Cpus>::is_free(const Cache& cache, FrameIndex slab, const SlabHead& head,
                         std::uint64_t index) const {
    if (head.active == cache.geometry.objects) return false;
    const std::uint8_t* const indexes = indexes_of(cache, slab, head);
    return std::find(indexes + head.active, indexes + cache.geometry.objects, index) !=
           indexes + cache.geometry.objects;
}

/// Is `object` one that this cache gave and that is not in its slab already? If not, that is reported.
template <class Cpus>
bool Slab<Cpus>::belongs(Cache& cache, void* object, FrameIndex slab) {
    if (slab == no_frame || pages_[slab].load_state().kind != PageKind::slab) {
        report(MisuseKind::foreign_pointer, &cache, object,
               fmt::format("Foreign pointer {}: it lies in no slab", fmt::ptr(object)));
        return false;
    }
    if (pages_[slab].owner != &cache) {
        report(MisuseKind::wrong_cache, &cache, object,
               fmt::format("Wrong slab cache. {} but object is from {}", cache.name,
                           static_cast<const Cache*>(pages_[slab].owner)->name));
        return false;
    }
    const SlabHead head = SlabHead::load(pages_[slab]);
    const auto offset = static_cast<std::size_t>(static_cast<std::byte*>(object) - slab_start(slab));
    const std::uint64_t index = cache.index_at(offset - head.colour);
    if (offset < head.colour || index >= cache.geometry.objects ||
        head.colour + index * cache.geometry.size != offset) {
        report(MisuseKind::interior_pointer, &cache, object,
               fmt::format("Invalid object pointer {}: not the begin of an object of {} bytes",
                           fmt::ptr(object), cache.geometry.object_size));
        return false;
    }
    bool free_already = head.active == 0;
    if constexpr (debug_checks) free_already = free_already || is_free(cache, slab, head, index);
    if (free_already) {
        report(MisuseKind::double_free, &cache, object,
               fmt::format("Object {} is freed, but it is free in its slab already", fmt::ptr(object)));
        return false;
    }
    return true;
}

/// SLAB-41: slabs beyond free_limit, those that are empty longest first; the one taken last leads.
template <class Cpus>
FrameIndex Slab<Cpus>::take_surplus(Cache& cache) const {
    SlabNode& node = cache.node;
    FrameIndex surplus = no_frame;
    while (node.free_objects.load(std::memory_order_relaxed) > node.free_limit && !node.free.empty()) {
        const FrameIndex slab = node.free.pop_tail(arena_);
        add_locked(node.free_objects, -std::int64_t{cache.geometry.objects});
        --node.free_slabs;
        --node.total_slabs;
        pages_[slab].next = surplus;
        surplus = slab;
    }
    return surplus;
}

template <class Cpus>
FrameIndex Slab<Cpus>::return_oldest(Cache& cache, ArrayCache& array, std::uint32_t n) {
    const FrameIndex surplus = return_objects(cache, {array.entries.get(), n});
    array.drop_oldest(n);
    cache.node.shared_avail.store(cache.node.shared.avail, std::memory_order_relaxed);
    return surplus;
}

template <class Cpus>
FrameIndex Slab<Cpus>::block_of(const void* object) const {
    const std::size_t offset = offset_of(object);
    if (offset >= arena_bytes_) return no_frame;
    const auto index = static_cast<FrameIndex>(offset >> page_shift);
    const FrameIndex head = pages_[index].head;
    if (head > index) return no_frame;
    const PageState state = pages_[head].load_state();
    const bool ours = state.kind == PageKind::slab || state.kind == PageKind::large;
    return ours && index - head < Order{state.order}.pages() ? head : no_frame;
}

template <class Cpus>
void Slab<Cpus>::report(MisuseKind kind, const Cache* cache, const void* object, const std::string& what) {
    const std::string name = cache == nullptr ? std::string{} : cache->name;
    log_.report({kind, object, name, fmt::format("BUG {}: {}\n", name.empty() ? "kmalloc" : name, what)});
}

template <class Cpus>
void Slab<Cpus>::report_foreign(const Cache* cache, const void* object) {
    report(MisuseKind::foreign_pointer, cache, object,
           fmt::format("Foreign pointer {}: it lies in no slab", fmt::ptr(object)));
}

/// SLAB-60.
template <class Cpus>
std::size_t Slab<Cpus>::kmem_cache_alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects, CpuId cpu) {
    return alloc_each_or_none(*this, cache, gfp, objects, cpu);
}

template <class Cpus>
void Slab<Cpus>::kmem_cache_free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu) {
    for (void* const object : objects) kmem_cache_free(cache, object, cpu);
}

template <class Cpus>
void Slab<Cpus>::kfree_bulk(std::span<void*> objects, CpuId cpu) {
    for (void* const object : objects) kfree(object, cpu);
}

}  // namespace kmemlab

/// Part of slob.cpp: caches, kmalloc, and the allocator's view of it all.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>

#include "allocators/slob/slob.hpp"

namespace kmemlab {

template <class Cpus>
Slob<Cpus>::Slob(PageSourceRef pages, Cpus& cpus, const SlobConfig& config, MisuseLog& misuse)
    : memory_{pages.arena().address_at(0)},
      arena_bytes_{pages.arena().bytes()},
      pages_{&pages.arena().page_at(0)},
      arena_{pages.arena()},
      source_{pages},
      cpus_{cpus},
      log_{misuse},
      config_{config},
      cpu_states_{cpus.count()} {}

template <class Cpus>
auto Slob<Cpus>::kmem_cache_create(const CacheDescription& description) -> Cache* {
    if (description.align != 0 && !std::has_single_bit(description.align)) {
        throw UsageError::of("cache {}: alignment {} is not a power of two", description.name,
                             description.align);
    }
    if (description.size == 0 || std::max(description.size, description.align) > kmalloc_max_size) {
        throw UsageError::of("cache {}: no block of at most {} bytes holds an object of {} bytes",
                             description.name, max_order.bytes(), description.size);
    }
    auto cache = std::make_unique<Cache>(cpus_.count());
    cache->name = description.name;
    cache->geometry = slob_geometry(description.size, description.align, description.flags);
    cache->constructor = description.constructor;
    caches_lock_.lock();
    caches_.push_back(std::move(cache));
    Cache* const made = caches_.back().get();
    caches_lock_.unlock();
    return made;
}

template <class Cpus>
bool Slob<Cpus>::kmem_cache_destroy(Cache& cache, CpuId cpu) {
    if (cache.live() != 0) {
        std::string text =
            fmt::format("BUG {}: {} objects remaining on kmem_cache_destroy()\n", cache.name, cache.live());
        {
            const LockGuard<Cpus> guard{cpus_, lock_, cpu};
            text += ledger_.list_of(cache);
        }
        log_.report({MisuseKind::objects_remain, &cache, cache.name, text});
        return false;
    }
    caches_lock_.lock();
    std::erase_if(caches_, [&](const auto& other) { return other.get() == &cache; });
    caches_lock_.unlock();
    return true;
}

/// SLOB-41, 42.
template <class Cpus>
void* Slob<Cpus>::kmem_cache_alloc(Cache& cache, Gfp gfp, CpuId cpu) {
    const SlobGeometry& g = cache.geometry;
    void* object = nullptr;
    if (g.pages()) {
        const LedgerEntry entry{LedgerEntry::Kind::cache_pages, g.object_size, g.order().bytes(), g.align,
                                &cache};
        object = take_block(g.order(), gfp.without(__GFP_COMP), entry, cpu);
    } else {
        object = take_object(g.shape(), &cache, gfp, cpu);
    }
    if (object == nullptr) return nullptr;
    ++cache.works[cpu].allocations;
    if (cache.constructor != nullptr) {
        if (gfp.has(__GFP_ZERO))
            report(MisuseKind::bad_request, &cache, object);  // its work is lost, or ours
        cache.constructor(object);
        ++cache.works[cpu].constructions;
    }
    return object;
}

/// SLOB-44.
template <class Cpus>
std::size_t Slob<Cpus>::kmem_cache_alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects, CpuId cpu) {
    const std::size_t got = alloc_each_or_none(*this, cache, gfp, objects, cpu);
    if (got < objects.size()) cpu_states_[cpu].path = Path::failed;
    return got;
}

template <class Cpus>
void Slob<Cpus>::kmem_cache_free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu) {
    for (void* const object : objects) kmem_cache_free(cache, object, cpu);
}

/// SLOB-30, 31.
template <class Cpus>
void* Slob<Cpus>::kmalloc(std::size_t size, Gfp gfp, CpuId cpu) {
    if (size == 0) return zero_size_ptr();
    if (size >= slob_kmalloc_limit) {
        const Order order = size > kmalloc_max_size ? Order{order_count} : order_of(size);
        const Gfp compound = order > Order{0} ? gfp | __GFP_COMP : gfp;
        return take_block(order, compound,
                          {LedgerEntry::Kind::kmalloc_pages, size, order.bytes(), page_size, nullptr}, cpu);
    }
    std::byte* const begin = take_object(slob_kmalloc_shape(size), nullptr, gfp, cpu);
    if (begin == nullptr) return nullptr;
    const auto header = static_cast<std::uint32_t>(size);
    std::memcpy(begin, &header, sizeof header);
    return begin + slob_header;
}

template <class Cpus>
void Slob<Cpus>::kfree_bulk(std::span<void*> objects, CpuId cpu) {
    for (void* const object : objects) kfree(object, cpu);
}

template <class Cpus>
std::size_t Slob<Cpus>::ksize(const void* object) const {
    if (is_zero_or_null(object)) return 0;
    if (is_ours(object, PageKind::slab))
        return slob_units(header_of(static_cast<const std::byte*>(object))) * slob_unit_bytes;
    const FrameIndex block = block_of(object);
    return block == no_frame ? 0 : Order{arena_.page_at(block).load_state().order}.bytes();
}

template <class Cpus>
AllocatorStats Slob<Cpus>::stats() const {
    AllocatorStats stats = sum_of(cpu_states_);
    stats.metadata_bytes += sizeof *this + ledger_.metadata_bytes() + caches_.capacity() * sizeof(caches_[0]);
    for (const auto& cache : caches_) {
        const bool name_on_heap = cache->name.capacity() > std::string{}.capacity();
        stats.metadata_bytes +=
            sizeof *cache + cache->works.metadata_bytes() + (name_on_heap ? cache->name.capacity() + 1 : 0);
    }
    return stats;
}

}  // namespace kmemlab

/// Part of slab.cpp: making, sharing and destroying caches (SLAB-4, 53, 61).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>

#include "allocators/objects/alignment.hpp"
#include "allocators/objects/random_order.hpp"
#include "allocators/slab/slab.hpp"

namespace kmemlab {

template <class Cpus>
Slab<Cpus>::Slab(PageSourceRef pages, Cpus& cpus, const SlabConfig& config, MisuseLog& misuse)
    : memory_{pages.arena().address_at(0)},
      arena_bytes_{pages.arena().bytes()},
      pages_{&pages.arena().page_at(0)},
      frames_{pages.arena().frames()},
      arena_{pages.arena()},
      source_{pages},
      cpus_{cpus},
      log_{misuse},
      config_{config},
      rules_{config.rules(cpus.count(), pages.arena().bytes())},
      cpu_states_{cpus.count()} {
    make_kmalloc_caches();
}

template <class Cpus>
Slab<Cpus>::~Slab() = default;

/// SLAB-61. Sizes below the smallest class share it.
template <class Cpus>
void Slab<Cpus>::make_kmalloc_caches() {
    for (std::size_t type = 0; type < kmalloc_types; ++type) {
        for (std::size_t i = kmalloc_class(min_slab_kmalloc); i < kmalloc_class_count; ++i) {
            const auto kind = static_cast<KmallocType>(type);
            const std::size_t size = kmalloc_class_sizes[i];
            CacheDescription description{.name = kmalloc_cache_name(kind, size),
                                         .size = size,
                                         .flags = CacheFlags::hwcache_align};  // SLAB-1
            if (std::has_single_bit(size)) description.align = size;
            if (kind == KmallocType::reclaimable) {
                description.flags = description.flags | CacheFlags::reclaim_account;
            }
            if (kind == KmallocType::dma) description.flags = description.flags | CacheFlags::cache_dma;
            caches_.push_back(make_cache(description, true));
            kmalloc_caches_[type][i] = caches_.back().get();
        }
        for (std::size_t i = 0; i < kmalloc_class(min_slab_kmalloc); ++i) {
            kmalloc_caches_[type][i] = kmalloc_caches_[type][kmalloc_class(min_slab_kmalloc)];
        }
    }
}

template <class Cpus>
auto Slab<Cpus>::make_cache(const CacheDescription& description, bool kmalloc) -> std::unique_ptr<Cache> {
    constexpr unsigned reap_phases = 4 * jiffies_per_second;
    auto geometry = slab_geometry(
        {description.size, description.align, description.flags, description.constructor != nullptr}, rules_);
    if (!geometry) {
        throw UsageError::of("cache {}: no slab of at most {} bytes holds an object of {} bytes",
                             description.name, max_order.bytes(), description.size);
    }
    apply_config(config_, cpus_.count(), *geometry);
    auto cache = std::make_unique<Cache>(description.name, *geometry, cpus_.count());
    const std::uint64_t number = caches_made_.fetch_add(1, std::memory_order_relaxed);
    cache->constructor = description.constructor;
    cache->kmalloc = kmalloc;
    cache->mergeable =
        !kmalloc && description.constructor == nullptr && !has(description.flags, unmergeable_flags);
    // SLAB-7: the kmalloc caches were there before the last CPU came up.
    const unsigned online = kmalloc ? std::max(1U, cpus_.count() - 1) : cpus_.count();
    cache->node.free_limit = slab_free_limit(online, geometry->batchcount, geometry->objects);
    cache->node.next_reap = now_ + reap_phases + mix(config_.seed ^ mix(number)) % reap_phases;
    if (config_.freelist_random && geometry->objects > 1) {
        cache->random_order = random_permutation(geometry->objects, mix(config_.seed) + number);
    }
    return cache;
}

/// SLUB-64; `like` is what the description would get for itself. SLAB asks also that its alignment divides
/// that of the cache to share.
template <class Cpus>
auto Slab<Cpus>::find_mergeable(const CacheDescription& description, const Cache& like) const -> Cache* {
    constexpr CacheFlags same =
        CacheFlags::reclaim_account | CacheFlags::cache_dma | CacheFlags::cache_dma32 | CacheFlags::account;
    const std::size_t align = like.geometry.align;
    const std::size_t stride = round_up(round_up(description.size, min_object_align), align);
    for (const auto& cache : caches_) {
        const SlabGeometry& g = cache->geometry;
        if (cache->mergeable && cache->references > 0 && (g.flags & same) == (description.flags & same) &&
            stride <= g.size && g.size - stride < sizeof(void*) && g.size % align == 0 &&
            g.align % align == 0) {
            return cache.get();
        }
    }
    return nullptr;
}

template <class Cpus>
auto Slab<Cpus>::kmem_cache_create(const CacheDescription& description) -> Cache* {
    if (description.align != 0 && !std::has_single_bit(description.align)) {
        throw UsageError::of("cache {}: alignment {} is not a power of two", description.name,
                             description.align);
    }
    auto made = make_cache(description, false);
    caches_lock_.lock();
    Cache* cache = config_.merge && made->mergeable ? find_mergeable(description, *made) : nullptr;
    if (cache == nullptr) {
        caches_.push_back(std::move(made));
        cache = caches_.back().get();
    } else {
        ++cache->references;
        std::size_t& size = cache->geometry.object_size;
        if (description.size > size) size = description.size;  // else others only read it
    }
    caches_lock_.unlock();
    return cache;
}

/// What a cache counted stays in the totals.
template <class Cpus>
void Slab<Cpus>::retire(const Cache& cache) {
    constexpr auto fast = static_cast<std::size_t>(Path::fast);
    cpu_states_[CpuId{0}].allocations[fast] += cache.alloc_hits();
    cpu_states_[CpuId{0}].frees[fast] += cache.free_hits();
}

/// `cache` serves one description less. True if it was the last; then it gets no other.
template <class Cpus>
bool Slab<Cpus>::drop_description(Cache& cache) {
    caches_lock_.lock();
    const bool last = --cache.references == 0;
    caches_lock_.unlock();
    return last;
}

/// SLAB-53. Unlike Linux 6.1 a cache that keeps objects can still be used, and destroyed later.
template <class Cpus>
bool Slab<Cpus>::kmem_cache_destroy(Cache& cache, CpuId cpu) {
    if (!drop_description(cache)) return true;
    if (kmem_cache_shrink(cache, cpu)) {
        caches_lock_.lock();
        cache.references = 1;
        caches_lock_.unlock();
        report_remaining(cache);
        return false;
    }
    caches_lock_.lock();
    retire(cache);
    const auto found = std::find_if(caches_.begin(), caches_.end(),
                                    [&](const auto& other) { return other.get() == &cache; });
    if (found != caches_.end()) caches_.erase(found);
    caches_lock_.unlock();
    return true;
}

/// All arrays are empty: what is not among a slab's free indexes lives.
template <class Cpus>
void Slab<Cpus>::report_remaining(Cache& cache) {
    std::string text =
        fmt::format("BUG {}: Objects remaining in {} on __kmem_cache_shutdown()\n", cache.name, cache.name);
    const void* first = nullptr;
    for (const PageList* list : {&cache.node.partial, &cache.node.full}) {
        list->walk(arena_, arena_.frames(), [&](FrameIndex slab) {
            const SlabHead head = SlabHead::load(pages_[slab]);
            const std::uint8_t* const indexes = indexes_of(cache, slab, head);
            for (std::uint32_t i = 0; i < cache.geometry.objects; ++i) {
                const std::uint8_t* const end = indexes + cache.geometry.objects;
                if (std::find(indexes + head.active, end, i) != end) continue;
                const std::byte* const object = object_at(cache, slab, head, i);
                if (first == nullptr) first = object;
                fmt::format_to(std::back_inserter(text), "Object 0x{:016x} @offset={}\n",
                               reinterpret_cast<std::uintptr_t>(object), object - slab_start(slab));
            }
            return true;
        });
    }
    log_.report({MisuseKind::objects_remain, first, cache.name, text});
}

}  // namespace kmemlab

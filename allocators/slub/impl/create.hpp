/// Part of slub.cpp: making, sharing and destroying caches (SLUB-44, 64).
#pragma once

#include <algorithm>
#include <charconv>

#include "allocators/objects/random_order.hpp"
#include "allocators/slub/slub.hpp"

namespace kmemlab {

template <class Cpus>
Slub<Cpus>::Slub(PageSourceRef pages, Cpus& cpus, const SlubConfig& config, MisuseLog& misuse,
                 CacheMaker maker)
    : memory_{pages.arena().address_at(0)},
      arena_bytes_{pages.arena().bytes()},
      pages_{&pages.arena().page_at(0)},
      frames_{pages.arena().frames()},
      arena_{pages.arena()},
      source_{pages},
      cpus_{cpus},
      log_{misuse},
      config_{config},
      rules_{config.rules(cpus.count())},
      tid_step_{std::bit_ceil(std::uint64_t{cpus.count()})},
      maker_{std::move(maker)},
      cpu_states_{cpus.count()} {
    if (config.min_order > config.max_order) {
        throw UsageError::of("slub.min_order: {} is above slub.max_order, {}", config.min_order,
                             config.max_order);
    }
    if (!valid_debug_option(config.debug)) {
        throw UsageError::of("slub.debug: '{}': expected letters of FZPUTO, then caches after commas",
                             config.debug);
    }
    for (std::size_t type = 0; type < kmalloc_types; ++type) {
        for (std::size_t i = 0; i < kmalloc_class_count; ++i) {
            const auto kind = static_cast<KmallocType>(type);
            const std::size_t size = kmalloc_class_sizes[i];
            CacheDescription description{.name = kmalloc_cache_name(kind, size), .size = size};
            if (std::has_single_bit(size)) description.align = size;  // SLUB-1
            if (kind == KmallocType::reclaimable) description.flags = CacheFlags::reclaim_account;
            if (kind == KmallocType::dma) description.flags = CacheFlags::cache_dma;
            caches_.push_back(make_cache(description, true));
            kmalloc_caches_[type][i] = caches_.back().get();
        }
    }
}

template <class Cpus>
Slub<Cpus>::~Slub() = default;

namespace slub_detail {

/// A tunable that is "auto" or a number.
inline std::uint32_t value_or(const std::string& text, std::uint32_t automatic) {
    std::uint32_t value = automatic;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace slub_detail

template <class Cpus>
auto Slub<Cpus>::make_cache(const CacheDescription& description, bool kmalloc) -> std::unique_ptr<Cache> {
    const DebugChoice choice = debug_choice(config_.debug, description.name);
    GeometryRequest request{description.size, description.align, description.flags | choice.flags,
                            description.constructor != nullptr, kmalloc};
    auto geometry = slub_geometry(request, rules_);
    if (choice.keep_small && geometry && geometry->size > page_size &&
        order_of(geometry->size) > order_of(description.size)) {
        request.flags = description.flags;  // SLUB-79, O
        geometry = slub_geometry(request, rules_);
    }
    if (!geometry) {
        throw UsageError::of("cache {}: no slab of at most {} bytes holds an object of {} bytes",
                             description.name, max_order.bytes(), description.size);
    }
    auto cache = maker_ ? maker_(description.name, *geometry)
                        : std::make_unique<Cache>(description.name, *geometry, cpus_.count());
    const std::uint64_t number = caches_made_.fetch_add(1, std::memory_order_relaxed);
    cache->constructor = description.constructor;
    cache->kmalloc = kmalloc;
    cache->cpu_partial_lists = config_.cpu_partial_lists && cpus_.count() > 1 && !cache->debug;
    if (!cache->debug)
        cache->geometry.cpu_partial = slub_detail::value_or(config_.cpu_partial, geometry->cpu_partial);
    cache->partial_slab_limit = cpu_partial_slabs(cache->geometry.cpu_partial, geometry->objects);
    cache->min_partial = slub_detail::value_or(config_.min_partial, geometry->min_partial);
    cache->most_empty = cache->min_partial;
    cache->encoded = config_.freelist_hardened;
    if (cache->encoded) cache->secret = mix(config_.seed ^ mix(number));
    if (config_.freelist_random && geometry->objects > 1) {
        cache->random_order = random_permutation(geometry->objects, mix(config_.seed) + number);
    }
    cache->mergeable = !kmalloc && description.constructor == nullptr &&
                       !has(request.flags, debug_flags | CacheFlags::typesafe_by_rcu);
    for (unsigned c = 0; c < cpus_.count(); ++c) cache->slots[CpuId{c}].tid = c;
    return cache;
}

/// SLUB-64. `geometry` is the one that the description would get.
template <class Cpus>
auto Slub<Cpus>::find_mergeable(const CacheDescription& description, const Geometry& geometry) const
    -> Cache* {
    constexpr CacheFlags same =
        CacheFlags::reclaim_account | CacheFlags::cache_dma | CacheFlags::cache_dma32 | CacheFlags::account;
    const std::size_t size = (description.size + 7) / 8 * 8;
    const std::size_t stride = (size + geometry.align - 1) / geometry.align * geometry.align;
    for (const auto& cache : caches_) {
        const Geometry& g = cache->geometry;
        if (cache->mergeable && cache->references > 0 && (g.flags & same) == (description.flags & same) &&
            stride <= g.size && g.size - stride < sizeof(void*) && g.size % geometry.align == 0) {
            return cache.get();
        }
    }
    return nullptr;
}

template <class Cpus>
auto Slub<Cpus>::kmem_cache_create(const CacheDescription& description) -> Cache* {
    if (description.align != 0 && !std::has_single_bit(description.align)) {
        throw UsageError::of("cache {}: alignment {} is not a power of two", description.name,
                             description.align);
    }
    auto made = make_cache(description, false);
    caches_lock_.lock();
    Cache* cache = config_.merge && made->mergeable ? find_mergeable(description, made->geometry) : nullptr;
    if (cache == nullptr) {
        caches_.push_back(std::move(made));
        cache = caches_.back().get();
    } else {
        ++cache->references;
        Geometry& g = cache->geometry;
        if (description.size > g.object_size) g.object_size = description.size;  // else others only read it
        g.inuse = std::max(g.inuse, (description.size + 7) / 8 * 8);
    }
    caches_lock_.unlock();
    return cache;
}

/// What a cache counted stays in the totals.
template <class Cpus>
void Slub<Cpus>::retire(const Cache& cache) {
    for (CpuId c{0}; c.value() < cpus_.count(); ++c) {
        constexpr auto fast = static_cast<std::size_t>(Path::fast);
        cpu_states_[c].allocations[fast] += cache.slots[c].counted(SlubEvent::alloc_fastpath);
        cpu_states_[c].frees[fast] += cache.slots[c].counted(SlubEvent::free_fastpath);
    }
}

template <class Cpus>
bool Slub<Cpus>::drop_description(Cache& cache) {
    caches_lock_.lock();
    const bool last = --cache.references == 0;
    caches_lock_.unlock();
    return last;
}

/// SLUB-44. Unlike Linux 6.1 a cache that keeps objects can still be used, and destroyed later (U12).
template <class Cpus>
bool Slub<Cpus>::destroy_unused(Cache& cache, CpuId cpu) {
    flush_all(cache, cpu);
    if (discard_empty(cache, cpu) != 0) {
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

}  // namespace kmemlab

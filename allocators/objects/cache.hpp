/// What SLAB, SLUB and SLOB share towards their users: the description of an object cache, and the concept
/// of an allocator that has caches.
///
/// ObjectCaches: `a` an allocator, `c` a cache of it, `d` a CacheDescription.
///
/// | expression                                 | result  | meaning, failure                                |
/// |--------------------------------------------|---------|-------------------------------------------------|
/// | a.kmem_cache_create(d)                     | Cache*  | a cache; it may be one that exists already if   |
/// |                                            |         | the model merges alike caches. nullptr: no      |
/// |                                            |         | memory; UsageError: no slab can hold d.size.    |
/// | a.kmem_cache_destroy(c, cpu)               | bool    | gives all slabs back. false, and c stays, while |
/// |                                            |         | objects live: a misuse report names each (S11). |
/// | a.kmem_cache_alloc(c, gfp, cpu)            | void*   | an object of d.size bytes, aligned to d.align   |
/// |                                            |         | (G2), constructed or, with __GFP_ZERO, zero;    |
/// |                                            |         | nullptr: no memory (G9).                        |
/// | a.kmem_cache_free(c, p, cpu)               | void    | p from c, in constructed state (S8).            |
/// | a.kmem_cache_alloc_bulk(c, gfp, span, cpu) | size_t  | all of span or nothing: its size or 0 (U9).     |
/// | a.kmem_cache_free_bulk(c, span, cpu)       | void    | as many single frees; may reorder span.         |
/// | a.kmem_cache_shrink(c, cpu)                | bool    | gives empty slabs back; true if slabs remain.   |
///
/// Calls on different CPUs may run at once; destroy and shrink of a cache not beside its other calls: they
/// empty every CPU's slot. A description may be given up while others that share the cache use it, and caches
/// be created and destroyed beside calls of others; not beside what walks all caches (stats and texts, and
/// what needs the allocator for itself anyway).
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "allocators/base/gfp.hpp"
#include "allocators/base/units.hpp"

namespace kmemlab {

/// SLAB_* flags, under the kernel's names.
enum class CacheFlags : std::uint32_t {
    none = 0,
    hwcache_align = 1U << 0,       ///< SLAB_HWCACHE_ALIGN
    reclaim_account = 1U << 1,     ///< SLAB_RECLAIM_ACCOUNT: pages of type RECLAIMABLE
    cache_dma = 1U << 2,           ///< SLAB_CACHE_DMA
    cache_dma32 = 1U << 3,         ///< SLAB_CACHE_DMA32
    account = 1U << 4,             ///< SLAB_ACCOUNT
    typesafe_by_rcu = 1U << 5,     ///< SLAB_TYPESAFE_BY_RCU
    consistency_checks = 1U << 6,  ///< slub_debug F
    red_zone = 1U << 7,            ///< slub_debug Z
    poison = 1U << 8,              ///< slub_debug P
    store_user = 1U << 9,          ///< slub_debug U
    trace = 1U << 10,              ///< slub_debug T
};
constexpr CacheFlags operator|(CacheFlags a, CacheFlags b) {
    return static_cast<CacheFlags>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr CacheFlags operator&(CacheFlags a, CacheFlags b) {
    return static_cast<CacheFlags>(static_cast<std::uint32_t>(a) & static_cast<std::uint32_t>(b));
}
/// True if any of `flags` is set in `set`.
constexpr bool has(CacheFlags set, CacheFlags flags) {
    return (set & flags) != CacheFlags::none;
}

using Constructor = void (*)(void* object);

struct CacheDescription {
    std::string name;
    std::size_t size = 0;   ///< bytes of an object, at least 1
    std::size_t align = 0;  ///< a power of two, or 0 for the model's minimum
    CacheFlags flags = CacheFlags::none;
    Constructor constructor = nullptr;  ///< run once per object, when its slab is made
};

/// How often CPUs went beyond what each has of a cache to itself, since the cache was made.
struct CacheTraffic {
    std::uint64_t refills = 0;  ///< allocations for which the CPU's list, array or sheaf was filled first
    std::uint64_t flushes = 0;  ///< times a CPU gave back what it kept: array, partial list, sheaf
};

template <class A>
concept ObjectCaches = requires(A& a, typename A::Cache& cache, const CacheDescription& description, Gfp gfp,
                                void* object, std::span<void*> objects, CpuId cpu) {
    { a.kmem_cache_create(description) } -> std::same_as<typename A::Cache*>;
    { a.kmem_cache_destroy(cache, cpu) } -> std::same_as<bool>;
    { a.kmem_cache_alloc(cache, gfp, cpu) } -> std::same_as<void*>;
    { a.kmem_cache_free(cache, object, cpu) } -> std::same_as<void>;
    { a.kmem_cache_alloc_bulk(cache, gfp, objects, cpu) } -> std::same_as<std::size_t>;
    { a.kmem_cache_free_bulk(cache, objects, cpu) } -> std::same_as<void>;
    { a.kmem_cache_shrink(cache, cpu) } -> std::same_as<bool>;
};

/// kmem_cache_alloc_bulk as single allocations: all of `objects`, or none of them.
template <class A, class Cache>
[[nodiscard]] std::size_t alloc_each_or_none(A& a, Cache& cache, Gfp gfp, std::span<void*> objects,
                                             CpuId cpu) {
    for (std::size_t i = 0; i < objects.size(); ++i) {
        objects[i] = a.kmem_cache_alloc(cache, gfp, cpu);
        if (objects[i] != nullptr) continue;
        a.kmem_cache_free_bulk(cache, objects.first(i), cpu);
        return 0;
    }
    return objects.size();
}

}  // namespace kmemlab

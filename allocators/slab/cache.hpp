/// A SLAB cache: its layout, what each CPU holds of it, and the node's lists.
///
///     CPU c:  arrays[c]  entries | o o o o . . |     free objects; entry 0 the oldest, the top is taken next
///     node:   shared     entries | o o o . . . . |   batches that full arrays gave, for any CPU
///             partial    S <-> S <-> S               slabs with objects in and out
///             full       S <-> S                     slabs with all objects out (in arrays or live)
///             free       S <-> S                     slabs with all objects in, head emptied last
///     slab S: Page::word active, colour, place of the free indexes (slab_head.hpp); fl[active..] are in it
///
/// arrays[c] is CPU c's own. All of the node, every slab's word and free indexes are changed under `lock`;
/// what is atomic may be read without it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "allocators/machine/cpus.hpp"
#include "allocators/machine/page_list.hpp"
#include "allocators/objects/cache.hpp"
#include "allocators/slab/geometry.hpp"

namespace kmemlab {

/// Virtual time of the reaper.
using Jiffies = std::uint64_t;
inline constexpr Jiffies jiffies_per_second = 100;

/// Flags with which a cache shares nothing (SLUB-64); what SLAB ignores of them forbids it too.
inline constexpr CacheFlags unmergeable_flags = CacheFlags::red_zone | CacheFlags::poison |
                                                CacheFlags::store_user | CacheFlags::trace |
                                                CacheFlags::typesafe_by_rcu;

/// Free objects on the way between users and slabs: of one CPU, or the node's shared array.
struct ArrayCache {
    std::unique_ptr<void*[]> entries;
    std::uint32_t avail = 0;
    std::uint32_t limit = 0;
    std::uint32_t batchcount = 0;
    bool touched = false;        ///< an object was taken since the reaper came by (SLAB-11, 50)
    bool busy = false;           ///< preemptible: this CPU is on a slow path of this cache
    bool drain_pending = false;  ///< preemptible: drain when it leaves that
    // What the kernel counts with STATS. Misses are slow operations that gave or took an object.
    std::uint64_t alloc_hits = 0;
    std::uint64_t alloc_misses = 0;
    std::uint64_t free_hits = 0;
    std::uint64_t free_misses = 0;

    /// An empty array with room for `new_limit` entries.
    void reset(std::uint32_t new_limit, std::uint32_t new_batchcount);
    void push(void* object) { entries[avail++] = object; }
    [[nodiscard]] void* pop() { return entries[--avail]; }
    /// Forgets entries 0..n-1; the others move down.
    void drop_oldest(std::uint32_t n);
};

/// The node's part of a cache.
struct SlabNode {
    PageList partial;
    PageList full;
    PageList free;
    std::atomic<std::uint64_t> free_objects{0};  ///< in slabs; not those in arrays
    std::uint64_t total_slabs = 0;
    std::uint64_t free_slabs = 0;
    std::uint64_t free_limit = 0;                ///< SLAB-7
    std::uint64_t refused = 0;                   ///< frees found on the way to slabs to be nobody's to make
    std::atomic<std::uint32_t> shared_avail{0};  ///< of `shared`, for readers without the lock
    ArrayCache shared;                           ///< limit 0: there is none
    bool free_touched = false;                  ///< a refill looked at the free list since the reaper came by
    std::atomic<Jiffies> next_reap{0};          ///< of the node's part (SLAB-51)
    std::atomic<std::uint32_t> colour_next{0};  ///< SLAB-20
};

/// All of a cache but its lock, which depends on the context.
struct SlabCacheCore {
    SlabCacheCore(std::string cache_name, const SlabGeometry& cache_geometry, unsigned cpus);

    /// Objects handed out and not yet given back.
    [[nodiscard]] std::uint64_t live() const;
    [[nodiscard]] std::uint64_t alloc_hits() const;
    [[nodiscard]] std::uint64_t free_hits() const;
    [[nodiscard]] CacheTraffic traffic() const;
    [[nodiscard]] std::size_t metadata_bytes() const;

    /// Number of the object that begins `offset` bytes behind the first: offset / size, exact for multiples
    /// of size below 4 MiB, without a division.
    [[nodiscard]] std::uint32_t index_at(std::size_t offset) const {
        return static_cast<std::uint32_t>(offset * reciprocal >> 32);
    }

    PerCpu<ArrayCache> arrays;
    SlabGeometry geometry;     ///< with limit, batchcount and shared as they are now (SLAB-8)
    std::uint64_t reciprocal;  ///< 2^32 / size, rounded up
    Constructor constructor = nullptr;
    std::string name;
    bool kmalloc = false;
    bool mergeable = false;                   ///< SLUB-64: may serve further descriptions
    std::uint32_t references = 1;             ///< descriptions served; 0: it is being destroyed
    std::vector<std::uint32_t> random_order;  ///< SLAB-21; empty: ascending
    std::atomic<std::uint64_t> slabs_made{0};
    std::atomic<std::uint64_t> constructed{0};  ///< objects (S8)
    SlabNode node;
};

template <class Cpus>
struct SlabCache : SlabCacheCore {
    using SlabCacheCore::SlabCacheCore;
    typename Cpus::Lock lock;
};

}  // namespace kmemlab

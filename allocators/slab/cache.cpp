#include "allocators/slab/cache.hpp"

#include <algorithm>

namespace kmemlab {

void ArrayCache::reset(std::uint32_t new_limit, std::uint32_t new_batchcount) {
    entries = new_limit == 0 ? nullptr : std::make_unique<void*[]>(new_limit);
    avail = 0;
    limit = new_limit;
    batchcount = new_batchcount;
    touched = false;
}

void ArrayCache::drop_oldest(std::uint32_t n) {
    std::copy(entries.get() + n, entries.get() + avail, entries.get());
    avail -= n;
}

SlabCacheCore::SlabCacheCore(std::string cache_name, const SlabGeometry& cache_geometry, unsigned cpus)
    : arrays{cpus},
      geometry{cache_geometry},
      reciprocal{((std::uint64_t{1} << 32) + cache_geometry.size - 1) / cache_geometry.size},
      name{std::move(cache_name)} {
    for (CpuId c{0}; c.value() < cpus; ++c) arrays[c].reset(geometry.limit, geometry.batchcount);
    node.shared.reset(geometry.shared * geometry.batchcount, geometry.batchcount);
}

std::uint64_t SlabCacheCore::live() const {
    std::uint64_t taken = node.refused;
    std::uint64_t given = 0;
    for (CpuId c{0}; c.value() < arrays.count(); ++c) {
        taken += arrays[c].alloc_hits + arrays[c].alloc_misses;
        given += arrays[c].free_hits + arrays[c].free_misses;
    }
    return taken - given;
}

std::uint64_t SlabCacheCore::alloc_hits() const {
    std::uint64_t sum = 0;
    for (CpuId c{0}; c.value() < arrays.count(); ++c) sum += arrays[c].alloc_hits;
    return sum;
}

std::uint64_t SlabCacheCore::free_hits() const {
    std::uint64_t sum = 0;
    for (CpuId c{0}; c.value() < arrays.count(); ++c) sum += arrays[c].free_hits;
    return sum;
}

CacheTraffic SlabCacheCore::traffic() const {
    CacheTraffic sum;
    for (CpuId c{0}; c.value() < arrays.count(); ++c) {
        sum.refills += arrays[c].alloc_misses;
        sum.flushes += arrays[c].free_misses;
    }
    return sum;
}

std::size_t SlabCacheCore::metadata_bytes() const {
    const bool name_on_heap = name.capacity() > std::string{}.capacity();
    const std::size_t entries = std::size_t{geometry.limit} * arrays.count() + node.shared.limit;
    return sizeof *this + arrays.metadata_bytes() + entries * sizeof(void*) +
           (name_on_heap ? name.capacity() + 1 : 0) + random_order.capacity() * sizeof(random_order[0]);
}

}  // namespace kmemlab

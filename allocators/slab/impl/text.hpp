/// Part of slab.cpp: /proc/slabinfo (SLAB-80).
#pragma once

#include "allocators/objects/slabinfo.hpp"
#include "allocators/slab/slab.hpp"

namespace kmemlab {

namespace slab_detail {

inline SlabinfoRow slabinfo_row(const SlabCacheCore& cache) {
    const SlabGeometry& g = cache.geometry;
    const SlabNode& node = cache.node;
    SlabinfoRow row;
    row.name = cache.name;
    row.objects = node.total_slabs * g.objects;
    row.active_objects = row.objects - node.free_objects.load(std::memory_order_relaxed);
    row.size = g.size;
    row.objects_per_slab = g.objects;
    row.pages_per_slab = g.order.pages();
    row.limit = g.limit;
    row.batchcount = g.batchcount;
    row.shared = g.shared;
    row.active_slabs = node.total_slabs - node.free_slabs;
    row.slabs = node.total_slabs;
    row.shared_available = node.shared.avail;
    return row;
}

}  // namespace slab_detail

template <class Cpus>
std::string Slab<Cpus>::slabinfo() const {
    std::string text = slabinfo_header();
    for (auto cache = caches_.rbegin(); cache != caches_.rend(); ++cache) {  // newest first, as the kernel
        text += to_string(slab_detail::slabinfo_row(**cache));
    }
    return text;
}

}  // namespace kmemlab

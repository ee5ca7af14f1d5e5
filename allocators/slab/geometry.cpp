#include "allocators/slab/geometry.hpp"

#include <algorithm>

#include "allocators/objects/alignment.hpp"
#include "allocators/objects/kmalloc_classes.hpp"

namespace kmemlab {
namespace {

/// How many objects a slab of some order holds, and what that leaves.
struct Packing {
    Order order;
    std::size_t objects = 0;
    std::size_t left = 0;
};

/// Bytes that the kmalloc cache for `objects` free indexes takes for them (SLAB-3); kmalloc-96 has objects
/// every 128 bytes.
std::size_t index_memory(std::size_t objects) {
    const std::size_t asked = std::max(objects, min_slab_kmalloc);
    const std::size_t size = kmalloc_class_sizes[kmalloc_class(asked)];
    return size == 96 ? 128 : size;
}

/// SLAB-3.
std::optional<Packing> pack(const SlabGeometry& g, IndexPlace place, unsigned max_several) {
    const std::size_t cost = g.size + (place == IndexPlace::on_slab ? 1 : 0);
    std::optional<Packing> best;
    for (Order o{0}; o <= max_order; ++o) {
        const Packing found{o, o.bytes() / cost, o.bytes() % cost};
        if (found.objects == 0) continue;
        if (found.objects > max_slab_indexes) break;
        const bool dear = index_memory(found.objects) > g.object_size / 2;
        if (place == IndexPlace::off_slab && dear) continue;
        best = found;
        if (has(g.flags, CacheFlags::reclaim_account)) break;
        if (o.value() >= max_several || 8 * found.left <= o.bytes()) break;
    }
    return best;
}

/// SLAB-4.
std::optional<Packing> choose_place(SlabGeometry& g, bool constructor, unsigned max_several) {
    g.place = IndexPlace::in_object;
    if (!constructor && !has(g.flags, CacheFlags::typesafe_by_rcu)) {
        const auto packing = pack(g, g.place, max_several);
        if (packing && packing->objects <= g.object_size) return packing;
    }
    g.place = IndexPlace::off_slab;
    const auto packing = pack(g, g.place, max_several);
    if (packing && packing->left < packing->objects) return packing;
    g.place = IndexPlace::on_slab;
    return pack(g, g.place, max_several);
}

/// SLAB-6.
std::uint32_t array_limit(std::size_t size) {
    if (size > 131072) return 1;
    if (size > 4096) return 8;
    if (size > 1024) return 24;
    return size > 256 ? 54 : 120;
}

}  // namespace

std::string_view to_string(IndexPlace place) {
    switch (place) {
        case IndexPlace::in_object:
            return "objfreelist";
        case IndexPlace::off_slab:
            return "off";
        case IndexPlace::on_slab:
            return "on";
    }
    return "unknown";
}

std::optional<SlabGeometry> slab_geometry(const SlabGeometryRequest& request,
                                          const SlabGeometryRules& rules) {
    SlabGeometry g;
    if (request.size == 0 || request.size > kmalloc_max_size) return {};
    g.flags = request.flags;
    g.object_size = request.size;
    g.align = object_alignment(request.size, request.align, request.flags);
    if (g.align > kmalloc_max_size) return {};
    g.size = std::max(round_up(round_up(request.size, min_object_align), g.align),
                      round_up(min_slab_stride, g.align));
    g.colour_off = std::max(cache_line_size, g.align);
    const auto packing = choose_place(g, request.constructor, rules.max_order);
    if (!packing) return {};
    g.order = packing->order;
    g.objects = static_cast<std::uint32_t>(packing->objects);
    g.left = packing->left;
    g.colours = static_cast<std::uint32_t>(g.left / g.colour_off);
    g.limit = array_limit(g.size);
    g.batchcount = (g.limit + 1) / 2;
    g.shared = g.size <= page_size && rules.cpus > 1 ? 8 : 0;
    return g;
}

}  // namespace kmemlab

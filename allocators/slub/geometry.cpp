#include "allocators/slub/geometry.hpp"

#include <algorithm>
#include <bit>

#include "allocators/objects/alignment.hpp"
#include "allocators/objects/kmalloc_classes.hpp"

namespace kmemlab {
namespace {

constexpr std::size_t word = sizeof(void*);

/// Is what a free object holds somebody's, so that the free pointer must not lie in it?
bool content_matters(const GeometryRequest& request) {
    const bool no_room = has(request.flags, CacheFlags::red_zone) && request.size < word;
    return request.constructor || no_room ||
           has(request.flags, CacheFlags::typesafe_by_rcu | CacheFlags::poison);
}

/// SLUB-2, 3.
void lay_out_object(Geometry& g, const GeometryRequest& request) {
    const bool red_zone = has(request.flags, CacheFlags::red_zone);
    g.inuse = round_up(request.size, word);
    if (red_zone && g.inuse == request.size) g.inuse += word;
    g.size = g.inuse;
    if (content_matters(request)) {
        g.free_offset = g.inuse;
        g.size += word;
    } else {
        g.free_offset = request.size / 2 / word * word;
    }
    if (has(request.flags, CacheFlags::store_user)) {
        g.size += 2 * owner_record_bytes + (request.kmalloc ? sizeof(std::uint32_t) : 0);
    }
    if (red_zone) {
        g.left_pad = round_up(word, g.align);
        g.size += word + g.left_pad;
    }
    g.size = round_up(g.size, g.align);
}

std::size_t objects_in(Order order, std::size_t size) {
    return order.bytes() / size;
}

/// The least order that holds `objects` and wastes at most 1/fraction of itself, or nothing.
std::optional<Order> order_for(std::size_t size, std::size_t objects, std::size_t fraction,
                               const GeometryRules& rules) {
    const Order least{rules.min_order};
    if (objects_in(least, size) > max_slab_objects) {
        return Order{order_of(size * max_slab_objects).value() - 1};
    }
    for (Order o = std::max(least, order_of(objects * size)); o.value() <= rules.max_order; ++o) {
        if (o.bytes() % size <= o.bytes() / fraction) return o;
    }
    return {};
}

/// SLUB-4.
std::optional<Order> slab_order(std::size_t size, const GeometryRules& rules) {
    std::size_t objects = rules.min_objects;
    if (objects == 0) objects = 4 * (static_cast<std::size_t>(std::bit_width(rules.cpus)) + 1);
    objects = std::min(objects, objects_in(Order{rules.max_order}, size));
    for (; objects > 1; --objects) {
        for (const std::size_t fraction : {16U, 8U, 4U}) {
            if (const auto order = order_for(size, objects, fraction, rules)) return order;
        }
    }
    if (const auto order = order_for(size, 1, 1, rules)) return order;
    const Order single = order_of(size);
    return single <= max_order ? std::optional{single} : std::nullopt;
}

/// SLUB-6.
std::uint32_t cpu_partial_objects(const Geometry& g) {
    if (has(g.flags, debug_flags)) return 0;
    if (g.size >= page_size) return 6;
    if (g.size >= 1024) return 24;
    return g.size >= 256 ? 52 : 120;
}

}  // namespace

std::optional<Geometry> slub_geometry(const GeometryRequest& request, const GeometryRules& rules) {
    Geometry g;
    if (request.size == 0 || request.size > kmalloc_max_size) return {};
    g.flags = request.flags;
    g.object_size = request.size;
    g.align = object_alignment(request.size, request.align, request.flags);
    if (g.align > kmalloc_max_size) return {};
    lay_out_object(g, request);
    const auto order = slab_order(g.size, rules);
    if (!order) return {};
    g.order = *order;
    g.min_order = std::min(order_of(g.size), g.order);  // SLUB-5
    g.objects = static_cast<std::uint32_t>(std::min(objects_in(g.order, g.size), max_slab_objects));
    g.min_objects = static_cast<std::uint32_t>(std::min(objects_in(g.min_order, g.size), max_slab_objects));
    g.min_partial = std::clamp((static_cast<std::uint32_t>(std::bit_width(g.size)) - 1) / 2, 5U, 10U);
    g.cpu_partial = cpu_partial_objects(g);
    return g;
}

std::uint32_t cpu_partial_slabs(std::uint32_t cpu_partial, std::uint32_t objects_per_slab) {
    return (2 * cpu_partial + objects_per_slab - 1) / objects_per_slab;
}

}  // namespace kmemlab

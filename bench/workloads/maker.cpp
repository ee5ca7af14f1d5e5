#include "bench/workloads/maker.hpp"

#include <algorithm>
#include <utility>

#include "allocators/base/check.hpp"

namespace kmemlab::workloads {
namespace {

using trace::Event;
using trace::Kind;
using trace::Layer;
using trace::Operation;

/// The tracepoint that would have told of it.
Event event_of(Kind kind) {
    switch (kind) {
        case Kind::kmalloc:
            return Event::kmalloc;
        case Kind::kfree:
            return Event::kfree;
        case Kind::kmem_cache_alloc:
            return Event::kmem_cache_alloc;
        case Kind::kmem_cache_free:
            return Event::kmem_cache_free;
        case Kind::page_alloc:
            return Event::mm_page_alloc;
        case Kind::page_free:
            return Event::mm_page_free;
        case Kind::vmap_alloc:
            return Event::alloc_vmap_area;
        default:
            return Event::free_vmap_area_noflush;
    }
}

constexpr std::uint32_t movable = 1U << 8;

}  // namespace

Maker::Maker(std::uint64_t operations, unsigned cpus) : wanted_{operations} {
    trace_.operations.reserve(operations);
    trace_.call_sites = {""};
    trace_.cpus = cpus;
}

std::uint32_t Maker::cache(std::string name, std::uint32_t object_size) {
    trace_.caches.push_back({std::move(name), object_size});
    return static_cast<std::uint32_t>(trace_.caches.size() - 1);
}

Object Maker::kmalloc(std::uint64_t bytes, CpuId cpu) {
    trace_.counts.requested_bytes += bytes;
    return allocate(Kind::kmalloc, static_cast<std::uint32_t>(bytes), GFP_KERNEL, cpu);
}

Object Maker::cache_alloc(std::uint32_t cache, CpuId cpu) {
    trace_.counts.requested_bytes += trace_.caches[cache].object_size;
    return allocate(Kind::kmem_cache_alloc, cache, GFP_KERNEL, cpu);
}

Object Maker::user_pages(Order order, CpuId cpu) {
    return allocate(Kind::page_alloc, order.value() | movable, GFP_HIGHUSER_MOVABLE, cpu);
}

Object Maker::kernel_pages(Order order, CpuId cpu) {
    return allocate(Kind::page_alloc, order.value(), GFP_KERNEL, cpu);
}

Object Maker::like(const Operation& recorded, CpuId cpu) {
    if (recorded.kind() == Kind::kmalloc) trace_.counts.requested_bytes += recorded.bytes();
    if (recorded.kind() == Kind::kmem_cache_alloc)
        trace_.counts.requested_bytes += trace_.caches[recorded.cache()].object_size;
    return allocate(recorded.kind(), recorded.amount(), recorded.gfp(), cpu,
                    static_cast<std::uint8_t>(recorded.align_order()));
}

Object Maker::allocate(Kind kind, std::uint32_t amount, Gfp gfp, CpuId cpu, std::uint8_t align) {
    LayerState& layer = state(trace::layer_of(kind));
    auto number = static_cast<std::uint32_t>(layer.lives.size());
    if (layer.free_numbers.empty()) {
        layer.lives.emplace_back();
    } else {
        number = layer.free_numbers.back();
        layer.free_numbers.pop_back();
    }
    const Operation operation{kind, number, amount, gfp, cpu, 0, align};
    layer.lives[number] = {operation, trace_.operations.size(), true};
    trace_.operations.push_back(operation);
    count(kind);
    ++live_;
    return {trace::layer_of(kind), number};
}

void Maker::free(Object object, CpuId cpu) {
    LayerState& layer = state(object.layer);
    Life& life = layer.lives[object.number];
    KMEMLAB_DEBUG_CHECK(life.lives);
    const Operation& allocation = life.allocation;
    const bool pages = allocation.kind() == Kind::page_alloc;
    const std::uint32_t amount = pages ? allocation.order().value() : allocation.amount();
    const Kind kind = trace::free_of(allocation.kind());
    trace_.operations.emplace_back(kind, object.number, amount, Gfp{}, cpu, std::uint16_t{0});
    count(kind);
    life.lives = false;
    layer.free_numbers.push_back(object.number);
    --live_;
}

void Maker::free_all() {
    std::vector<std::pair<std::uint64_t, Object>> live;
    for (unsigned layer = 0; layer < trace::layer_count; ++layer) {
        const std::vector<Life>& lives = layers_[layer].lives;
        for (std::uint32_t i = 0; i < lives.size(); ++i) {
            if (lives[i].lives) live.push_back({lives[i].birth, {static_cast<Layer>(layer), i}});
        }
    }
    std::sort(live.begin(), live.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [birth, object] : live) free(object, home(object));
}

void Maker::count(Kind kind) {
    ++trace_.counts.events[static_cast<unsigned>(event_of(kind))];
}

trace::Trace Maker::finish() {
    for (unsigned i = 0; i < trace::layer_count; ++i) {
        trace_.slots_per_layer[i] = static_cast<std::uint32_t>(layers_[i].lives.size());
    }
    trace_.times.resize(trace_.operations.size());
    return std::move(trace_);
}

}  // namespace kmemlab::workloads

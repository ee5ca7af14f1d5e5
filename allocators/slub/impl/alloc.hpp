/// Part of slub.cpp: allocation past the CPU's free list (SLUB-21..24), and new slabs (SLUB-7, 10, 11).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "allocators/objects/random_order.hpp"
#include "allocators/slub/impl/slow_section.hpp"
#include "allocators/slub/slub.hpp"

namespace kmemlab {

template <class Cpus>
void* Slub<Cpus>::pop_preemptible(Cache& cache, CpuSlot& slot, CpuId cpu) {
    for (;;) {
        const std::uint64_t tid = slot.tid;
        void* const object = slot.freelist;
        if (object == nullptr) return nullptr;
        void* const next = get_free_pointer(cache, object);
        cpus_.point(Point::commit, cpu);
        if (slot.tid == tid) {
            slot.freelist = next;
            step_tid(slot);
            slot.count(SlubEvent::alloc_fastpath);
            return object;
        }
        slot.count(SlubEvent::cmpxchg_double_cpu_fail);
    }
}

template <class Cpus>
void Slub<Cpus>::set_cpu_slab(CpuSlot& slot, FrameIndex slab, void* freelist) const {
    slot.slab = slab;
    const std::span<const std::byte> memory = memory_of(slab);
    slot.slab_begin = reinterpret_cast<std::uintptr_t>(memory.data());
    slot.slab_bytes = memory.size();
    slot.freelist = freelist;
    step_tid(slot);
}

template <class Cpus>
void* Slub<Cpus>::slow_alloc(Cache& cache, Gfp gfp, CpuId cpu, std::size_t asked) {
    CpuSlot& slot = cache.slots[cpu];
    Path path = Path::failed;
    void* object = nullptr;
    {
        const SlowSection section{*this, cache, slot, cpu};
        object = cache.debug ? debug_alloc(cache, slot, gfp, cpu, path, {__builtin_return_address(0), asked})
                             : refill(cache, slot, gfp, cpu, path);
        if (object != nullptr) slot.count(SlubEvent::alloc_slowpath);
    }
    cpu_states_[cpu].count(&CpuWork::allocations, object != nullptr ? path : Path::failed);
    if (object != nullptr && gfp.has(__GFP_ZERO)) zero(cache, object);
    return object;
}

/// The next object from wherever there is one; `path` says where.
template <class Cpus>
void* Slub<Cpus>::refill(Cache& cache, CpuSlot& slot, Gfp gfp, CpuId cpu, Path& path) {
    if (slot.slab != no_frame) {
        path = Path::refill;
        if (void* const object = take_slab_freelist(cache, slot, cpu)) return object;
    }
    if (slot.partial != no_frame) {
        path = Path::cpu_partial;
        return take_cpu_partial(cache, slot, cpu);
    }
    path = Path::node_partial;
    if (void* const object = take_node_partial(cache, slot, cpu)) return object;
    path = Path::new_slab;
    void* freelist = nullptr;
    const FrameIndex slab = new_slab(cache, slot, gfp, cpu, freelist);
    if (slab == no_frame) return nullptr;
    set_cpu_slab(slot, slab, get_free_pointer(cache, freelist));
    return freelist;
}

/// SLUB-21: what other CPUs freed into this CPU's slab. Nothing there: the slab is full and let go.
template <class Cpus>
void* Slub<Cpus>::take_slab_freelist(Cache& cache, CpuSlot& slot, CpuId cpu) {
    Page& page = pages_[slot.slab];
    for (;;) {
        shared_point(cpu);
        const SlabWord before = SlabWord::load(page);
        SlabWord after = before;
        after.freelist = SlabWord::no_object;
        after.inuse = before.objects;
        after.frozen = before.has_free();
        shared_point(cpu);
        if (!before.exchange(page, after, cpus_.alone())) {
            slot.count(SlubEvent::cmpxchg_double_fail);
            continue;
        }
        void* const object = first_free(slot.slab, before);
        if (object == nullptr) {
            set_cpu_slab(slot, no_frame, nullptr);
            slot.count(SlubEvent::deactivate_bypass);
            return nullptr;
        }
        set_cpu_slab(slot, slot.slab, get_free_pointer(cache, object));
        slot.count(SlubEvent::alloc_refill);
        return object;
    }
}

/// SLUB-22.
template <class Cpus>
void* Slub<Cpus>::take_cpu_partial(Cache& cache, CpuSlot& slot, CpuId cpu) {
    const FrameIndex slab = slot.partial;
    slot.partial = pages_[slab].next;
    --slot.partial_count;
    set_cpu_slab(slot, slab, nullptr);
    slot.count(SlubEvent::cpu_partial_alloc);
    return take_slab_freelist(cache, slot, cpu);
}

/// SLUB-23: one slab for the CPU, and some more for its partial list.
template <class Cpus>
void* Slub<Cpus>::take_node_partial(Cache& cache, CpuSlot& slot, CpuId cpu) {
    if (cache.nr_partial.load(std::memory_order_relaxed) == 0) return nullptr;
    const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
    if (cache.partial.empty()) return nullptr;
    const FrameIndex slab = cache.partial.head();
    remove_partial(cache, slab);
    void* const object = claim(slot, slab, Claim::slab_and_objects);
    set_cpu_slab(slot, slab, get_free_pointer(cache, object));
    slot.count(SlubEvent::alloc_from_partial);
    if (!cache.cpu_partial_lists) return object;
    for (std::uint32_t more = cache.partial_slab_limit / 2 + 1; more > 0 && !cache.partial.empty(); --more) {
        const FrameIndex next = cache.partial.head();
        remove_partial(cache, next);
        static_cast<void>(claim(slot, next, Claim::slab));
        put_cpu_partial(cache, slot, next, false, cpu);
        slot.count(SlubEvent::cpu_partial_node);
    }
    return object;
}

/// Returns the first free object of a slab that was on the node's list. The list's lock is held; frees by
/// others may still change the word.
template <class Cpus>
void* Slub<Cpus>::claim(CpuSlot& slot, FrameIndex slab, Claim what) const {
    Page& page = pages_[slab];
    for (;;) {
        const SlabWord before = SlabWord::load(page);
        SlabWord after = before;
        after.frozen = what != Claim::objects;
        if (what != Claim::slab) {
            after.freelist = SlabWord::no_object;
            after.inuse = before.objects;
        }
        if (before.exchange(page, after, cpus_.alone())) return first_free(slab, before);
        slot.count(SlubEvent::cmpxchg_double_fail);
    }
}

/// SLUB-24, 10: a frozen slab of no list, all objects on `freelist`; no_frame: no memory.
template <class Cpus>
FrameIndex Slub<Cpus>::new_slab(Cache& cache, CpuSlot& slot, Gfp gfp, CpuId cpu, void*& freelist) {
    const FrameIndex slab = take_pages(cache, slot, gfp, cpu);
    if (slab == no_frame) return no_frame;
    Page& page = pages_[slab];
    const Order order{page.load_state().order};
    const auto objects =
        static_cast<std::uint32_t>(std::min(order.bytes() / cache.geometry.size, max_slab_objects));
    if (cache.debug) debug_new_slab(cache, slab, objects);
    freelist = link_objects(cache, slab, objects);
    SlabWord{SlabWord::no_object, objects, objects, true}.store(page);
    add_shared(cache.nr_slabs, 1, cpus_.alone());
    add_shared(cache.total_objects, objects, cpus_.alone());
    slot.count(SlubEvent::alloc_slab);
    return slab;
}

namespace slub_detail {

struct PageRequests {
    Gfp first;
    Gfp fallback;
};

/// SLUB-7: flags for a slab of the wanted order, and for one of the least order.
inline PageRequests page_requests(const Geometry& geometry, Gfp gfp) {
    constexpr Gfp kept = __GFP_RECLAIM | __GFP_HIGH | __GFP_IO | __GFP_FS | __GFP_NOWARN |
                         __GFP_RETRY_MAYFAIL | __GFP_NOFAIL | __GFP_NORETRY | __GFP_MEMALLOC |
                         __GFP_NOMEMALLOC | __GFP_ATOMIC | __GFP_HARDWALL | __GFP_THISNODE;
    Gfp base = gfp & kept;
    if (geometry.order > Order{0}) base = base | __GFP_COMP;
    if (has(geometry.flags, CacheFlags::cache_dma)) base = base | __GFP_DMA;
    if (has(geometry.flags, CacheFlags::cache_dma32)) base = base | __GFP_DMA32;
    if (has(geometry.flags, CacheFlags::reclaim_account)) base = base | __GFP_RECLAIMABLE;
    Gfp first = (base | __GFP_NOWARN | __GFP_NORETRY).without(__GFP_NOFAIL);
    if (gfp.has(__GFP_DIRECT_RECLAIM) && geometry.order > geometry.min_order) {
        first = (first | __GFP_NOMEMALLOC).without(__GFP_RECLAIM);
    }
    return {first, base};
}

}  // namespace slub_detail

template <class Cpus>
FrameIndex Slub<Cpus>::take_pages(Cache& cache, CpuSlot& slot, Gfp gfp, CpuId cpu) {
    const auto requests = slub_detail::page_requests(cache.geometry, gfp);
    Order order = cache.geometry.order;
    std::optional<Pfn> pfn = source_.take(order, requests.first, cpu);
    if (!pfn) {
        order = cache.geometry.min_order;
        pfn = source_.take(order, requests.fallback, cpu);
        if (!pfn) return no_frame;
        slot.count(SlubEvent::order_fallback);
    }
    cpu_states_[cpu].pages_taken += order.pages();
    const FrameIndex slab = arena_.index(*pfn);
    frames_used_.note(slab, order.pages());
    Page& page = pages_[slab];
    page.owner = &cache;
    if (order == Order{0}) page.head = slab;  // a compound block has it from the source
    PageState state = page.load_state();
    state.kind = PageKind::slab;
    state.order = static_cast<std::uint8_t>(order.value());
    page.store_state(state);
    return slab;
}

/// SLUB-10, 11, 70: the free list of a new slab; returns its first object.
template <class Cpus>
void* Slub<Cpus>::link_objects(Cache& cache, FrameIndex slab, std::uint32_t objects) {
    const auto& order = cache.random_order;
    std::size_t at = 0;
    if (!order.empty()) {
        at = mix(config_.seed + cache.random_draws.fetch_add(1, std::memory_order_relaxed)) % order.size();
    }
    const auto next_index = [&](std::uint32_t i) {
        if (order.empty()) return i;
        while (order[at] >= objects) at = (at + 1) % order.size();
        const std::uint32_t index = order[at];
        at = (at + 1) % order.size();
        return index;
    };
    void* first = nullptr;
    void* previous = nullptr;
    for (std::uint32_t i = 0; i < objects; ++i) {
        void* const object = object_at(cache, slab, next_index(i));
        if (cache.constructor != nullptr) cache.constructor(object);
        if (previous == nullptr)
            first = object;
        else
            set_free_pointer(cache, previous, object);
        previous = object;
    }
    set_free_pointer(cache, previous, nullptr);
    return first;
}

template <class Cpus>
void Slub<Cpus>::zero(const Cache& cache, void* object) {
    if (cache.constructor == nullptr) {
        std::memset(object, 0, cache.geometry.object_size);
        return;
    }
    log_.report({MisuseKind::bad_request, object, cache.name,
                 fmt::format("BUG {}: __GFP_ZERO for a cache with a constructor\n", cache.name)});
}

}  // namespace kmemlab

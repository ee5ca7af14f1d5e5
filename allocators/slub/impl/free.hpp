/// Part of slub.cpp: frees past the CPU's free list (SLUB-31..37) and in bulk (SLUB-52..54).
#pragma once

#include <fmt/format.h>

#include <utility>

#include "allocators/slub/impl/slow_section.hpp"
#include "allocators/slub/slub.hpp"

namespace kmemlab {

template <class Cpus>
bool Slub<Cpus>::push_chain(Cache& cache, CpuSlot& slot, FrameIndex slab, Chain chain, CpuId cpu) {
    for (;;) {
        const std::uint64_t tid = slot.tid;
        if (slot.slab != slab) return false;
        set_free_pointer(cache, chain.tail, slot.freelist);
        if constexpr (Cpus::preemptible) cpus_.point(Point::commit, cpu);
        if (slot.tid == tid) {
            slot.freelist = chain.head;
            step_tid(slot);
            slot.count(SlubEvent::free_fastpath, chain.count);
            return true;
        }
        slot.count(SlubEvent::cmpxchg_double_cpu_fail);
    }
}

template <class Cpus>
FrameIndex Slub<Cpus>::slab_of(const void* object) const {
    const std::size_t offset = offset_of(object);
    if (offset >= arena_bytes_) return no_frame;
    const auto index = static_cast<FrameIndex>(offset >> page_shift);
    const FrameIndex head = pages_[index].head;
    if (head > index) return no_frame;
    const PageState state = pages_[head].load_state();
    const bool ours = state.kind == PageKind::slab || state.kind == PageKind::large;
    return ours && index - head < Order{state.order}.pages() ? head : no_frame;
}

template <class Cpus>
bool Slub<Cpus>::on_stride(const Cache& cache, FrameIndex slab, const void* object) const {
    const auto* const p = static_cast<const std::byte*>(object);
    const std::byte* const first = object_at(cache, slab, 0);
    if (p < first) return false;
    const auto distance = static_cast<std::size_t>(p - first);
    const std::uint32_t objects = SlabWord::load(pages_[slab]).objects;
    return distance < objects * cache.geometry.size && cache.is_whole(static_cast<std::uint32_t>(distance));
}

template <class Cpus>
void Slub<Cpus>::report_bad_free(MisuseKind kind, const Cache* cache, const void* object,
                                 const std::string& what) {
    const std::string name = cache == nullptr ? std::string{} : cache->name;
    log_.report({kind, object, name, fmt::format("BUG {}: {}\n", name.empty() ? "kmalloc" : name, what)});
}

template <class Cpus>
FrameIndex Slub<Cpus>::examine_free(const Cache* cache, void* object, CpuId cpu) {
    if (cache == nullptr && is_zero_or_null(object)) return no_frame;
    const FrameIndex slab = slab_of(object);
    const auto refuse = [&](MisuseKind kind, const Cache* of, const std::string& what) {
        report_bad_free(kind, of, object, what);
        return no_frame;
    };
    if (slab == no_frame) {
        return refuse(MisuseKind::foreign_pointer, cache,
                      fmt::format("Foreign pointer {}: it lies in no slab", fmt::ptr(object)));
    }
    if (pages_[slab].load_state().kind == PageKind::large) {
        if (object != slab_start(slab)) {
            return refuse(MisuseKind::interior_pointer, cache,
                          fmt::format("Invalid object pointer {}: a large block begins at {}",
                                      fmt::ptr(object), fmt::ptr(slab_start(slab))));
        }
        if (cache != nullptr) {
            report_bad_free(MisuseKind::wrong_cache, cache, object,
                            fmt::format("Wrong slab cache. {} but object is of kmalloc, {} bytes",
                                        cache->name, ksize(object)));
        }
        free_large(slab, cpu);
        return no_frame;
    }
    const auto& owner = *static_cast<const Cache*>(pages_[slab].owner);
    if (cache != nullptr && cache != &owner) {
        report_bad_free(MisuseKind::wrong_cache, cache, object,
                        fmt::format("Wrong slab cache. {} but object is from {}", cache->name, owner.name));
    }
    if (!owner.debug && !on_stride(owner, slab, object)) {
        return refuse(MisuseKind::interior_pointer, &owner,
                      fmt::format("Invalid object pointer {}: not the begin of an object of {} bytes",
                                  fmt::ptr(object), owner.geometry.object_size));
    }
    return slab;
}

/// A free that the fast path did not take.
template <class Cpus>
void Slub<Cpus>::checked_free(Cache* cache, void* object, CpuId cpu) {
    const FrameIndex slab = examine_free(cache, object, cpu);
    if (slab == no_frame) return;
    auto& owner = *static_cast<Cache*>(pages_[slab].owner);
    if (owner.debug) return debug_free(owner, slab, object, cpu, __builtin_return_address(0));
    free_chain(owner, slab, {object, object, 1}, cpu);
}

template <class Cpus>
void Slub<Cpus>::free_chain(Cache& cache, FrameIndex slab, Chain chain, CpuId cpu) {
    CpuSlot& slot = cache.slots[cpu];
    if (push_chain(cache, slot, slab, chain, cpu)) return;
    const SlowSection section{*this, cache, slot, cpu};
    const Path path = slow_free(cache, slot, slab, chain, cpu);
    slot.count(SlubEvent::free_slowpath, chain.count);
    if (!cache.fronted) cpu_states_[cpu].count(&CpuWork::frees, path, chain.count);
}

/// SLUB-31..36: the objects go to their slab, and the slab to where it now belongs.
template <class Cpus>
Path Slub<Cpus>::slow_free(Cache& cache, CpuSlot& slot, FrameIndex slab, Chain chain, CpuId cpu) {
    Page& page = pages_[slab];
    for (;; slot.count(SlubEvent::cmpxchg_double_fail)) {  // SLUB-37: a lost race starts anew
        shared_point(cpu);
        const SlabWord before = SlabWord::load(page);
        set_free_pointer(cache, chain.tail, first_free(slab, before));
        SlabWord after = before;
        after.freelist = free_index(slab, chain.head);
        after.inuse = before.inuse - chain.count;
        const bool was_full = !before.has_free();
        const bool takes_it = !before.frozen && was_full && cache.cpu_partial_lists;
        if (!before.frozen && !takes_it && (was_full || after.inuse == 0)) {
            bool done = false;
            const Path path = free_on_node(cache, slot, slab, before, after, done, cpu);
            if (done) return path;
            continue;
        }
        after.frozen = before.frozen || takes_it;
        shared_point(cpu);
        if (!before.exchange(page, after, cpus_.alone())) continue;
        if (before.frozen) slot.count(SlubEvent::free_frozen, chain.count);  // SLUB-32
        if (!takes_it) return Path::slab;
        slot.count(SlubEvent::cpu_partial_free);
        put_cpu_partial(cache, slot, slab, true, cpu);  // SLUB-33
        return Path::cpu_partial;
    }
}

/// SLUB-34, 35: the free after which the slab may change its place on the node.
template <class Cpus>
Path Slub<Cpus>::free_on_node(Cache& cache, CpuSlot& slot, FrameIndex slab, SlabWord before, SlabWord after,
                              bool& done, CpuId cpu) {
    {
        const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
        done = before.exchange(pages_[slab], after, cpus_.alone());
        if (!done) return Path::slab;
        const bool surplus =
            after.inuse == 0 && cache.nr_partial.load(std::memory_order_relaxed) >= cache.min_partial;
        if (!surplus) {
            if (before.has_free()) return Path::slab;
            add_partial(cache, slab, false);
            slot.count(SlubEvent::free_add_partial);
            return Path::node_partial;
        }
        if (before.has_free()) {
            remove_partial(cache, slab);
            slot.count(SlubEvent::free_remove_partial);
        }
    }
    slot.count(SlubEvent::free_slab);
    discard_slab(cache, slab, cpu);
    return Path::discard;
}

/// SLUB-36.
template <class Cpus>
void Slub<Cpus>::put_cpu_partial(Cache& cache, CpuSlot& slot, FrameIndex slab, bool may_drain, CpuId cpu) {
    FrameIndex drained = no_frame;
    if (may_drain && slot.partial != no_frame && slot.partial_count >= cache.partial_slab_limit) {
        drained = std::exchange(slot.partial, no_frame);
        slot.partial_count = 0;
    }
    pages_[slab].next = slot.partial;
    slot.partial = slab;
    ++slot.partial_count;
    if (drained == no_frame) return;
    slot.count(SlubEvent::cpu_partial_drain);
    unfreeze_partials(cache, slot, drained, cpu);
}

/// SLUB-52, 53: takes the last object and those of its slab near it out of `objects`, linked in `chain`, the
/// last first. Returns how many objects remain at the front.
template <class Cpus>
std::size_t Slub<Cpus>::gather_chain(Cache& cache, FrameIndex slab, std::span<void*> objects,
                                     Chain& chain) const {
    const std::byte* const first = object_at(cache, slab, 0);
    const std::size_t bytes = SlabWord::load(pages_[slab]).objects * cache.geometry.size;
    std::size_t lowest = objects.size() - 1;
    Chain found{objects[lowest], objects[lowest], 1};
    int misses = 0;
    for (std::size_t i = lowest; i-- > 0 && misses < 3;) {
        void* const object = objects[i];
        const std::size_t distance = offset_of(object) - offset_of(first);
        if (distance >= bytes || !cache.is_whole(static_cast<std::uint32_t>(distance))) {
            ++misses;
            continue;
        }
        set_free_pointer(cache, found.tail, object);
        found.tail = object;
        ++found.count;
        if (--lowest != i) std::swap(objects[i], objects[lowest]);
    }
    set_free_pointer(cache, found.tail, nullptr);
    chain = found;
    return lowest;
}

/// One step of a bulk free; returns what is left. What one object of a chain may not be freed as is freed
/// singly, where it is reported.
template <class Cpus>
std::span<void*> Slub<Cpus>::free_last_chain(Cache* cache, std::span<void*> objects, CpuId cpu) {
    void* const last = objects.back();
    const FrameIndex slab = slab_of(last);
    const bool plain = slab != no_frame && pages_[slab].load_state().kind == PageKind::slab;
    Cache* const owner = plain ? static_cast<Cache*>(pages_[slab].owner) : nullptr;
    const bool ours = plain && (cache == nullptr || owner == cache);
    if (!ours || owner->debug || !on_stride(*owner, slab, last)) {
        checked_free(cache, last, cpu);
        return objects.first(objects.size() - 1);
    }
    Chain chain;
    const std::size_t left = gather_chain(*owner, slab, objects, chain);
    free_chain(*owner, slab, chain, cpu);
    return objects.first(left);
}

template <class Cpus>
void Slub<Cpus>::kmem_cache_free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu) {
    while (!objects.empty()) objects = free_last_chain(&cache, objects, cpu);
}

template <class Cpus>
void Slub<Cpus>::kfree_bulk(std::span<void*> objects, CpuId cpu) {
    while (!objects.empty()) objects = free_last_chain(nullptr, objects, cpu);
}

/// SLUB-50.
template <class Cpus>
std::size_t Slub<Cpus>::kmem_cache_alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects, CpuId cpu) {
    return alloc_each_or_none(*this, cache, gfp, objects, cpu);
}

}  // namespace kmemlab

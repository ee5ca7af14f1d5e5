/// Part of slub.cpp: taking slabs away from CPUs and from the node (SLUB-40..45).
#pragma once

#include <array>
#include <utility>

#include "allocators/slub/impl/slow_section.hpp"
#include "allocators/slub/slub.hpp"

namespace kmemlab {

template <class Cpus>
void Slub<Cpus>::add_partial(Cache& cache, FrameIndex slab, bool at_head) const {
    if (at_head)
        cache.partial.push_head(arena_, slab);
    else
        cache.partial.push_tail(arena_, slab);
    add_locked(cache.nr_partial, 1);
}

template <class Cpus>
void Slub<Cpus>::remove_partial(Cache& cache, FrameIndex slab) const {
    cache.partial.remove(arena_, slab);
    add_locked(cache.nr_partial, -1);
}

/// SLUB-45.
template <class Cpus>
void Slub<Cpus>::discard_slab(Cache& cache, FrameIndex slab, CpuId cpu) {
    Page& page = pages_[slab];
    PageState state = page.load_state();
    const Order order{state.order};
    add_shared(cache.nr_slabs, -1, cpus_.alone());
    add_shared(cache.total_objects, -std::int64_t{SlabWord::load(page).objects}, cpus_.alone());
    cpu_states_[cpu].pages_given += order.pages();
    page.word = 0;
    page.owner = nullptr;
    if (order == Order{0}) page.head = no_frame;
    state.kind = PageKind::allocated;
    page.store_state(state);
    source_.give(arena_.pfn_at(slab), order, cpu);
}

/// Discards slabs linked by Page::next.
template <class Cpus>
void Slub<Cpus>::discard_slabs(Cache& cache, CpuSlot& slot, FrameIndex first, CpuId cpu) {
    while (first != no_frame) {
        const FrameIndex slab = first;
        first = pages_[slab].next;
        slot.count(SlubEvent::deactivate_empty);
        slot.count(SlubEvent::free_slab);
        discard_slab(cache, slab, cpu);
    }
}

/// SLUB-40: what was a CPU's partial list goes to the node, front to back.
template <class Cpus>
void Slub<Cpus>::unfreeze_partials(Cache& cache, CpuSlot& slot, FrameIndex first, CpuId cpu) {
    FrameIndex empty = no_frame;
    {
        const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
        while (first != no_frame) {
            const FrameIndex slab = first;
            Page& page = pages_[slab];
            first = page.next;
            SlabWord before;
            SlabWord after;
            do {
                before = SlabWord::load(page);
                after = before;
                after.frozen = false;
            } while (!before.exchange(page, after, cpus_.alone()));
            if (after.inuse == 0 && cache.nr_partial.load(std::memory_order_relaxed) >= cache.min_partial) {
                page.next = empty;
                empty = slab;
            } else {
                add_partial(cache, slab, false);
                slot.count(SlubEvent::free_add_partial);
            }
        }
    }
    discard_slabs(cache, slot, empty, cpu);
}

/// SLUB-41: the CPU's slab goes to the node, to nobody (full), or back to the page source (empty).
template <class Cpus>
void Slub<Cpus>::deactivate_cpu_slab(Cache& cache, CpuSlot& slot, CpuId cpu) {
    const FrameIndex slab = slot.slab;
    Chain chain{slot.freelist, nullptr, 0};
    set_cpu_slab(slot, no_frame, nullptr);  // first: in a preemptible context the CPU may go on meanwhile
    for (void* o = chain.head; o != nullptr; o = get_free_pointer(cache, o)) {
        chain.tail = o;
        ++chain.count;
    }
    Page& page = pages_[slab];
    const bool to_tail = SlabWord::load(page).has_free();
    if (to_tail) slot.count(SlubEvent::deactivate_remote_frees);
    for (;; slot.count(SlubEvent::cmpxchg_double_fail)) {
        shared_point(cpu);
        const SlabWord before = SlabWord::load(page);
        SlabWord after = before;
        after.frozen = false;
        if (chain.count > 0) {
            set_free_pointer(cache, chain.tail, first_free(slab, before));
            after.freelist = free_index(slab, chain.head);
            after.inuse = before.inuse - chain.count;
        }
        const auto surplus = [&] {
            return after.inuse == 0 && cache.nr_partial.load(std::memory_order_relaxed) >= cache.min_partial;
        };
        const bool discards = surplus();  // decided before the lock, as Linux 6.1 does
        if (discards || !after.has_free()) {
            shared_point(cpu);
            if (!before.exchange(page, after, cpus_.alone())) continue;
            if (!discards) return slot.count(SlubEvent::deactivate_full);
            page.next = no_frame;
            return discard_slabs(cache, slot, slab, cpu);
        }
        const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
        if (!before.exchange(page, after, cpus_.alone())) continue;
        if (surplus()) cache.kept_late = true;
        slot.count(to_tail ? SlubEvent::deactivate_to_tail : SlubEvent::deactivate_to_head);
        return add_partial(cache, slab, !to_tail);
    }
}

/// SLUB-42.
template <class Cpus>
void Slub<Cpus>::flush_slot(Cache& cache, CpuSlot& slot, CpuId cpu) {
    if (slot.slab != no_frame) {
        slot.count(SlubEvent::cpuslab_flush);
        deactivate_cpu_slab(cache, slot, cpu);
    }
    if (slot.partial == no_frame) return;
    slot.partial_count = 0;
    unfreeze_partials(cache, slot, std::exchange(slot.partial, no_frame), cpu);
}

template <class Cpus>
void Slub<Cpus>::flush_cpu(Cache& cache, CpuId flushed, CpuId cpu) {
    CpuSlot& slot = cache.slots[flushed];
    if (slot.busy)
        slot.flush_pending = true;
    else
        flush_slot(cache, slot, cpu);
}

template <class Cpus>
void Slub<Cpus>::flush_all(Cache& cache, CpuId cpu) {
    for (CpuId c{0}; c.value() < cpus_.count(); ++c) flush_cpu(cache, c, cpu);
}

/// Slabs of the node's list without an object in use go back; returns how many slabs stay (SLUB-44).
template <class Cpus>
std::uint64_t Slub<Cpus>::discard_empty(Cache& cache, CpuId cpu) {
    FrameIndex empty = no_frame;
    {
        const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
        for (FrameIndex slab = cache.partial.head(); slab != no_frame;) {
            const FrameIndex next = pages_[slab].next;
            if (SlabWord::load(pages_[slab]).inuse == 0) {
                remove_partial(cache, slab);
                pages_[slab].next = empty;
                empty = slab;
            }
            slab = next;
        }
    }
    while (empty != no_frame) {
        const FrameIndex next = pages_[empty].next;
        cache.slots[cpu].count(SlubEvent::free_slab);
        discard_slab(cache, empty, cpu);
        empty = next;
    }
    return cache.nr_slabs.load(std::memory_order_relaxed);
}

/// SLUB-43.
template <class Cpus>
bool Slub<Cpus>::kmem_cache_shrink(Cache& cache, CpuId cpu) {
    constexpr std::uint32_t classes = 32;  // slabs with 1..32 free objects are sorted
    flush_all(cache, cpu);
    const std::uint64_t slabs = discard_empty(cache, cpu);
    const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
    std::array<PageList, classes + 1> by_free;
    PageList rest;
    while (!cache.partial.empty()) {
        const FrameIndex slab = cache.partial.pop_head(arena_);
        const SlabWord word = SlabWord::load(pages_[slab]);
        const std::uint32_t free = word.objects - word.inuse;
        if (free <= classes)
            by_free[free].push_head(arena_, slab);
        else
            rest.push_tail(arena_, slab);
    }
    for (PageList& list : by_free) {
        while (!list.empty()) cache.partial.push_tail(arena_, list.pop_head(arena_));
    }
    while (!rest.empty()) cache.partial.push_tail(arena_, rest.pop_head(arena_));
    return slabs != 0;
}

}  // namespace kmemlab

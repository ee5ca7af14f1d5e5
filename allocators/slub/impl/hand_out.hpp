/// Part of slub.cpp: objects for a layer that keeps them per CPU itself, straight from the slabs (SHEAF-7).
#pragma once

#include "allocators/slub/slub.hpp"

namespace kmemlab {

template <class Cpus>
std::size_t Slub<Cpus>::take_objects(Cache& cache, Gfp gfp, std::span<void*> objects, CpuId cpu, Path& path) {
    CpuSlot& slot = cache.slots[cpu];
    std::size_t taken = take_from_partial(cache, slot, objects, cpu);
    path = taken > 0 ? Path::node_partial : Path::failed;
    while (taken < objects.size()) {
        void* freelist = nullptr;
        const FrameIndex slab = new_slab(cache, slot, gfp, cpu, freelist);
        if (slab == no_frame) break;
        SlabWord word = SlabWord::load(pages_[slab]);
        word.frozen = false;
        word.store(pages_[slab]);
        path = Path::new_slab;
        Chain rest;
        taken += unlink_objects(cache, freelist, objects.subspan(taken), rest);
        give_rest(cache, slot, rest, cpu);
    }
    slot.count(SlubEvent::alloc_slowpath, taken);
    return taken;
}

/// Slabs from the front of the node's list, each with all of its free objects, until there are enough.
template <class Cpus>
std::size_t Slub<Cpus>::take_from_partial(Cache& cache, CpuSlot& slot, std::span<void*> objects, CpuId cpu) {
    if (cache.nr_partial.load(std::memory_order_relaxed) == 0) return 0;
    std::size_t taken = 0;
    Chain rest;
    {
        const LockGuard<Cpus> guard{cpus_, cache.lock, cpu};
        while (taken < objects.size() && !cache.partial.empty()) {
            const FrameIndex slab = cache.partial.head();
            remove_partial(cache, slab);
            void* const first = claim(slot, slab, Claim::objects);
            taken += unlink_objects(cache, first, objects.subspan(taken), rest);
            slot.count(SlubEvent::alloc_from_partial);
        }
    }
    give_rest(cache, slot, rest, cpu);
    return taken;
}

/// Fills `objects` from the chain that begins with `first`; `rest` is what remains of it. Returns how many.
template <class Cpus>
std::size_t Slub<Cpus>::unlink_objects(const Cache& cache, void* first, std::span<void*> objects,
                                       Chain& rest) const {
    std::size_t n = 0;
    void* object = first;
    for (; object != nullptr && n < objects.size(); object = get_free_pointer(cache, object)) {
        objects[n++] = object;
    }
    rest = {object, nullptr, 0};
    for (; object != nullptr; object = get_free_pointer(cache, object)) {
        rest.tail = object;
        ++rest.count;
    }
    return n;
}

/// What was claimed of a slab and is not wanted is freed to it: the slab goes to the tail of the node's list.
template <class Cpus>
void Slub<Cpus>::give_rest(Cache& cache, CpuSlot& slot, Chain rest, CpuId cpu) {
    if (rest.count > 0) static_cast<void>(slow_free(cache, slot, slab_of(rest.head), rest, cpu));
}

}  // namespace kmemlab

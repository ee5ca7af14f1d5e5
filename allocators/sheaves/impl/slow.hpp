/// Part of sheaves.cpp: operations that main does not serve (SHEAF-3, 4), and flushes (SHEAF-6).
#pragma once

#include <utility>

#include "allocators/sheaves/sheaves.hpp"

namespace kmemlab {

/// In a preemptible context another CPU may ask to flush this CPU's sheaves while they are in use: then the
/// flush waits until the slow path is left, as work queued to that CPU waits in a kernel.
template <class Cpus>
class [[nodiscard]] Sheaves<Cpus>::SlowSection {
  public:
    SlowSection(Sheaves& sheaves, Cache& cache, SheafSlot& slot, CpuId cpu)
        : sheaves_{sheaves}, cache_{cache}, slot_{slot}, cpu_{cpu} {
        if constexpr (Cpus::preemptible) slot_.busy = true;
    }
    ~SlowSection() {
        if constexpr (Cpus::preemptible) {
            while (std::exchange(slot_.flush_pending, false)) sheaves_.flush_slot(cache_, slot_, cpu_);
            slot_.busy = false;
        }
    }
    SlowSection(const SlowSection&) = delete;
    SlowSection& operator=(const SlowSection&) = delete;

  private:
    Sheaves& sheaves_;
    Cache& cache_;
    SheafSlot& slot_;
    CpuId cpu_;
};

template <class Cpus>
void* Sheaves<Cpus>::slow_alloc(Cache& cache, Gfp gfp, CpuId cpu) {
    if (cache.capacity == 0) {
        void* const object = slub_.kmem_cache_alloc(cache, gfp, cpu);
        relay_path(cpu);
        return object;
    }
    SheafSlot& slot = cache.sheaves[cpu];
    void* object = nullptr;
    {
        const SlowSection section{*this, cache, slot, cpu};
        const Path path = refill_main(cache, slot, gfp, cpu);
        works_[cpu].count(&CpuWork::allocations, path);
        if (path == Path::failed) return nullptr;
        slot.count(SheafEvent::alloc_slowpath);
        object = slot.main.pop();
    }
    if (gfp.has(__GFP_ZERO)) slub_.zero(cache, object);
    return object;
}

/// SHEAF-3: afterwards main, which is empty, has objects, unless memory is used up.
template <class Cpus>
Path Sheaves<Cpus>::refill_main(Cache& cache, SheafSlot& slot, Gfp gfp, CpuId cpu) {
    if (!slot.spare.empty()) {
        std::swap(slot.main, slot.spare);
        slot.count(SheafEvent::sheaf_swap);
        return Path::fast;
    }
    if (cache.barn.exchange_empty(slot.main, cpus_, cpu)) {
        slot.count(SheafEvent::barn_get);
        return Path::shared;
    }
    if (slot.spare.none()) slot.spare = cache.barn.take_empty(cpus_, cpu);
    if (slot.spare.none()) slot.spare = new_sheaf(cache, slot);
    Path path = Path::failed;
    Sheaf& filled = slot.spare;
    const std::span<void*> room{filled.entries.get(), filled.capacity()};
    filled.set_count(slub_.take_objects(cache, gfp, room, cpu, path));
    if (filled.empty()) return Path::failed;
    std::swap(slot.main, slot.spare);
    slot.count(SheafEvent::sheaf_refill);
    return path;
}

template <class Cpus>
void Sheaves<Cpus>::slow_free(Cache& cache, void* object, CpuId cpu) {
    if (cache.capacity == 0) {
        slub_.kmem_cache_free(cache, object, cpu);
        return relay_path(cpu);
    }
    SheafSlot& slot = cache.sheaves[cpu];
    const SlowSection section{*this, cache, slot, cpu};
    works_[cpu].count(&CpuWork::frees, make_room(cache, slot, cpu));
    slot.main.push(object);
    slot.count(SheafEvent::free_slowpath);
}

/// SHEAF-4: afterwards main, which is full, has room.
template <class Cpus>
Path Sheaves<Cpus>::make_room(Cache& cache, SheafSlot& slot, CpuId cpu) {
    if (slot.spare.none()) {
        Sheaf empty = cache.barn.take_empty(cpus_, cpu);
        if (empty.none()) empty = new_sheaf(cache, slot);
        slot.spare = std::exchange(slot.main, std::move(empty));
        return Path::shared;
    }
    Path path = Path::fast;
    if (!slot.spare.empty()) {
        if (cache.barn.exchange_full(slot.main, cpus_, cpu)) {
            slot.count(SheafEvent::barn_put);
            if (slot.main.none()) slot.main = new_sheaf(cache, slot);
            return Path::shared;
        }
        flush(cache, slot.spare, cpu);
        path = Path::flush;
    }
    std::swap(slot.main, slot.spare);
    slot.count(SheafEvent::sheaf_swap);
    return path;
}

template <class Cpus>
Sheaf Sheaves<Cpus>::new_sheaf(Cache& cache, SheafSlot& slot) const {
    slot.count(SheafEvent::sheaf_alloc);
    return Sheaf{cache.capacity};
}

/// A free of what does not lie in a slab of `cache`, or of any cache if that is null.
template <class Cpus>
void Sheaves<Cpus>::checked_free(const Cache* cache, void* object, CpuId cpu) {
    const FrameIndex slab = slub_.examine_free(cache, object, cpu);
    relay_path(cpu);
    if (slab != no_frame) put(sheafed(*static_cast<SlubCache<Cpus>*>(pages_[slab].owner)), object, cpu);
}

template <class Cpus>
void* Sheaves<Cpus>::kmalloc_other(std::size_t size, Gfp gfp, CpuId cpu) {
    void* const block = slub_.kmalloc(size, gfp, cpu);
    relay_path(cpu);
    return block;
}

/// Empties a sheaf into the slabs.
template <class Cpus>
void Sheaves<Cpus>::flush(Cache& cache, Sheaf& sheaf, CpuId cpu) {
    SheafSlot& slot = cache.sheaves[cpu];
    const CpuSlot& below = cache.slots[cpu];
    const std::uint64_t before = below.counted(SlubEvent::free_slowpath);
    slub_.kmem_cache_free_bulk(cache, sheaf.objects(), cpu);
    const std::uint64_t taken_back = below.counted(SlubEvent::free_slowpath) - before;
    slot.count(SheafEvent::free_refused, sheaf.count() - taken_back);
    slot.count(SheafEvent::sheaf_flush);
    sheaf.set_count(0);
}

template <class Cpus>
void Sheaves<Cpus>::flush_slot(Cache& cache, SheafSlot& slot, CpuId cpu) {
    Sheaf spare = std::move(slot.spare);
    Sheaf main;
    if (!slot.main.empty()) main = std::exchange(slot.main, Sheaf{cache.capacity});
    // Only now: in a preemptible context the CPU may go on meanwhile.
    if (!main.empty()) flush(cache, main, cpu);
    if (!spare.empty()) flush(cache, spare, cpu);
}

template <class Cpus>
void Sheaves<Cpus>::flush_cpu(Cache& cache, CpuId flushed, CpuId cpu) {
    SheafSlot& slot = cache.sheaves[flushed];
    if (slot.busy)
        slot.flush_pending = true;
    else
        flush_slot(cache, slot, cpu);
}

template <class Cpus>
void Sheaves<Cpus>::flush_all(Cache& cache, CpuId cpu) {
    if (cache.capacity == 0) return;
    for (CpuId c{0}; c.value() < cpus_.count(); ++c) flush_cpu(cache, c, cpu);
    for (Sheaf full = cache.barn.clear_out(cpus_, cpu); !full.none();
         full = cache.barn.clear_out(cpus_, cpu)) {
        flush(cache, full, cpu);
    }
}

template <class Cpus>
bool Sheaves<Cpus>::kmem_cache_shrink(Cache& cache, CpuId cpu) {
    flush_all(cache, cpu);
    return slub_.kmem_cache_shrink(cache, cpu);
}

template <class Cpus>
void Sheaves<Cpus>::drain(CpuId cpu) {
    for (const auto& cache : slub_.caches()) kmem_cache_shrink(sheafed(*cache), cpu);
}

template <class Cpus>
std::size_t Sheaves<Cpus>::kmem_cache_alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects, CpuId cpu) {
    return alloc_each_or_none(*this, cache, gfp, objects, cpu);
}

}  // namespace kmemlab

/// SLUB with sheaves, as Linux 7.0 has it: SLUB's slabs, and above them arrays of free objects ("sheaves")
/// per CPU and per node, in the place of the CPU's slab and its partial slabs.
///
///     kmem_cache_alloc   top of main; empty: the spare if it has objects, else a full sheaf from the barn,
///                        else an empty sheaf is filled from the slabs                 (SHEAF-3)
///     kmem_cache_free    onto main; full: the spare if it is empty, else main goes to the barn for an empty
///                        one; no room there: the spare is flushed to the slabs        (SHEAF-4)
///     below              slabs are on the node's partial list or full                 (SHEAF-7)
///
/// cache.hpp shows what lies where, sheaf.hpp and barn.hpp the two parts. Slabs, layout of objects,
/// debugging, merging and large sizes are allocators/slub, which sees this layer as its one user: to it an
/// object in a sheaf is in use. Rules are cited by their numbers (SHEAF-n, SLUB-n), laws by theirs (H1..H5;
/// of the slabs U1..U12, G8). The rules of sheaves are less certain than the others: they come from public
/// descriptions, and no recorded data confirm them.
///
/// A CPU's sheaves are its own, and a fast path touches nothing else of the cache; a free reads the
/// descriptor of the object's slab. So of two CPUs one of which allocates and the other frees each takes the
/// barn's lock once in `capacity` operations. That lock and the one of the slabs' list are never held at
/// once. Foreign pointers and wrong caches are found at the free; a pointer into an object when its sheaf is
/// flushed.
///
/// What the rules leave open is decided so: a sheaf is filled from the front of the partial list, then from
/// new slabs, and what of the last slab is not wanted is freed to it (so it goes to the list's tail);
/// flushing a sheaf is a bulk free (SLUB-52); an empty sheaf for which the barn has no room is dropped; bulk
/// operations are as many single ones.
///
/// Beside Linux 7.0: SLUB's other rules (order, min_partial, debugging, texts) are those of Linux 6.1. The
/// kernel's sheaves are kmalloc objects; here they lie outside the arena, as metadata, and can always be had,
/// so main is never flushed in part (end of SHEAF-4) and no object comes singly from the slabs (end of
/// SHEAF-3). No NUMA (SHEAF-5), no RCU and no sheaf that collects for it, no prefilled sheaves, no interrupt
/// that finds the CPU's sheaves locked. A flush of all CPUs goes CPU by CPU, ascending, and needs the cache
/// for itself; in a preemptible context a CPU on a slow path flushes itself when it leaves it.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allocators/base/allocator_types.hpp"
#include "allocators/base/misuse.hpp"
#include "allocators/machine/page_source.hpp"
#include "allocators/objects/cpu_work.hpp"
#include "allocators/objects/kmalloc_front.hpp"
#include "allocators/objects/slab_owner.hpp"
#include "allocators/sheaves/cache.hpp"
#include "allocators/sheaves/config.hpp"
#include "allocators/slub/slub.hpp"

namespace kmemlab {

template <class Cpus>
class Sheaves {
  public:
    using Cache = SheafCache<Cpus>;

    /// Makes the kmalloc caches; takes no page. Throws UsageError if `config` cannot be. All references must
    /// outlive it. The only object allocator over the arena of `pages`.
    Sheaves(PageSourceRef pages, Cpus& cpus, const SheavesConfig& config, MisuseLog& misuse);
    ~Sheaves();
    Sheaves(const Sheaves&) = delete;
    Sheaves& operator=(const Sheaves&) = delete;

    // --- ObjectCaches (objects/cache.hpp) ---
    [[nodiscard]] Cache* kmem_cache_create(const CacheDescription& description) {
        return &sheafed(*slub_.kmem_cache_create(description));
    }
    bool kmem_cache_destroy(Cache& cache, CpuId cpu);
    [[nodiscard]] void* kmem_cache_alloc(Cache& cache, Gfp gfp, CpuId cpu) {
        SheafSlot& slot = cache.sheaves[cpu];
        if (slot.main.empty()) [[unlikely]]
            return slow_alloc(cache, gfp, cpu);
        slot.count(SheafEvent::alloc_fastpath);
        void* const object = slot.main.pop();
        if (gfp.has(__GFP_ZERO)) [[unlikely]]
            slub_.zero(cache, object);
        return object;
    }
    void kmem_cache_free(Cache& cache, void* object, CpuId cpu) {
        if (slab_owner(object) == &cache) [[likely]]
            return put(cache, object, cpu);
        checked_free(&cache, object, cpu);
    }
    [[nodiscard]] std::size_t kmem_cache_alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects,
                                                    CpuId cpu);
    void kmem_cache_free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu) {
        for (void* const object : objects) kmem_cache_free(cache, object, cpu);
    }
    /// Flushes all sheaves (SHEAF-6), then as SLUB-43. True if slabs remain. Nobody else may be inside.
    bool kmem_cache_shrink(Cache& cache, CpuId cpu);

    // --- kmalloc (SLUB-60..63) ---
    [[nodiscard]] void* kmalloc(std::size_t size, Gfp gfp, CpuId cpu) {
        if (size - 1 >= kmalloc_max_cache_size) [[unlikely]]
            return kmalloc_other(size, gfp, cpu);
        return kmem_cache_alloc(kmalloc_cache(size, gfp), gfp, cpu);
    }
    void kfree(void* object, CpuId cpu) {
        if (Cache* const owner = slab_owner(object); owner != nullptr) [[likely]]
            return put(*owner, object, cpu);
        checked_free(nullptr, object, cpu);
    }
    [[nodiscard]] std::size_t ksize(const void* object) const { return slub_.ksize(object); }
    [[nodiscard]] void* krealloc(void* object, std::size_t size, Gfp gfp, CpuId cpu) {
        return krealloc_by_copy(*this, object, size, gfp, cpu);
    }
    void kfree_bulk(std::span<void*> objects, CpuId cpu) {
        for (void* const object : objects) kfree(object, cpu);
    }
    [[nodiscard]] std::size_t kmalloc_size_roundup(std::size_t size) const {
        return slub_.kmalloc_size_roundup(size);
    }
    /// The cache that serves kmalloc of 1..8192 bytes.
    [[nodiscard]] Cache& kmalloc_cache(std::size_t size, Gfp gfp) const {
        return sheafed(slub_.kmalloc_cache(size, gfp));
    }

    // --- Allocator (contract/allocator.hpp): kmalloc; larger alignments by rounding the size up ---
    [[nodiscard]] void* allocate(const Request& request) {
        if (request.align > min_object_align) [[unlikely]]
            return kmalloc(aligned_kmalloc_size(request), request.gfp, request.cpu);
        return kmalloc(request.size, request.gfp, request.cpu);
    }
    void deallocate(void* p, CpuId cpu) { kfree(p, cpu); }
    [[nodiscard]] std::size_t usable_size(const void* p) const { return ksize(p); }
    [[nodiscard]] AllocatorStats stats() const;
    [[nodiscard]] Path last_path(CpuId cpu) { return std::exchange(works_[cpu].path, Path::fast); }
    void drain(CpuId cpu);
    [[nodiscard]] MaybeViolation find_violation() const;
    [[nodiscard]] std::vector<Text> snapshot() const { return slub_.snapshot(); }
    [[nodiscard]] FreeBlocks free_blocks() const { return {}; }

    // --- What the kernel shows below /proc and /sys/kernel/slab ---
    [[nodiscard]] std::string slabinfo() const { return slub_.slabinfo(); }
    /// SLUB's attributes and sheaf_capacity. Objects in sheaves count as in use.
    [[nodiscard]] std::vector<Text> attributes(const Cache& cache) const;

    /// Gives what a CPU holds of a cache to the slabs.
    void flush_cpu(Cache& cache, CpuId flushed, CpuId cpu);
    /// All that a CPU holds, as when it goes offline. Nobody is on it, and no cache comes or goes.
    void cpu_dead(CpuId dead, CpuId cpu) {
        for (const auto& cache : slub_.caches()) flush_cpu(sheafed(*cache), dead, cpu);
    }

    /// Where all CPUs' sheaves of the first caches are.
    [[nodiscard]] SheafArea& area() { return area_; }
    /// What lies below, with all caches: for those who look at slabs.
    [[nodiscard]] const Slub<Cpus>& slabs() const { return slub_; }

  private:
    class SlowSection;
    class Audit;

    /// All of slub_'s caches are ours.
    [[nodiscard]] static Cache& sheafed(SlubCache<Cpus>& cache) { return static_cast<Cache&>(cache); }

    /// The cache of the slab that `object` lies in; nullptr if that takes a closer look.
    [[nodiscard]] Cache* slab_owner(const void* object) const {
        const std::size_t offset =
            reinterpret_cast<std::uintptr_t>(object) - reinterpret_cast<std::uintptr_t>(memory_);
        return static_cast<Cache*>(owner_of_slab<SlubCache<Cpus>>(offset, arena_bytes_, pages_, frames_));
    }
    void put(Cache& cache, void* object, CpuId cpu) {
        SheafSlot& slot = cache.sheaves[cpu];
        if (slot.main.full()) [[unlikely]]
            return slow_free(cache, object, cpu);
        slot.count(SheafEvent::free_fastpath);
        slot.main.push(object);
    }

    // --- Past main (impl/slow.hpp) ---
    [[nodiscard]] void* slow_alloc(Cache& cache, Gfp gfp, CpuId cpu);
    [[nodiscard]] Path refill_main(Cache& cache, SheafSlot& slot, Gfp gfp, CpuId cpu);
    void slow_free(Cache& cache, void* object, CpuId cpu);
    [[nodiscard]] Path make_room(Cache& cache, SheafSlot& slot, CpuId cpu);
    void checked_free(const Cache* cache, void* object, CpuId cpu);
    [[nodiscard]] void* kmalloc_other(std::size_t size, Gfp gfp, CpuId cpu);
    [[nodiscard]] Sheaf new_sheaf(Cache& cache, SheafSlot& slot) const;
    /// An operation that slub_ served and counted.
    void relay_path(CpuId cpu) { works_[cpu].path = slub_.last_path(cpu); }

    // --- Flushes (impl/slow.hpp) ---
    void flush(Cache& cache, Sheaf& sheaf, CpuId cpu);
    void flush_slot(Cache& cache, SheafSlot& slot, CpuId cpu);
    void flush_all(Cache& cache, CpuId cpu);

    // Hot: read by every operation.
    std::byte* memory_;
    std::size_t arena_bytes_;
    Page* pages_;
    std::uint64_t frames_;

    Cpus& cpus_;
    SheafArea area_;
    Slub<Cpus> slub_;
    PerCpu<CpuWork> works_;  ///< of slow ways, and of caches that are gone
};

extern template class Sheaves<OwnedCpus>;
extern template class Sheaves<SimulatedCpus>;

}  // namespace kmemlab

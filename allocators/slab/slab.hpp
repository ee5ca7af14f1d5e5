/// SLAB, as Linux 6.1 has it: objects of one size, packed into slabs, with an array of free objects per CPU.
///
///     kmem_cache_alloc   top of the CPU's array; empty: a batch from the node's shared array, or else from
///                        partial, then free slabs; nothing there: a new slab            (SLAB-10..16)
///     kmem_cache_free    onto the CPU's array; full: its oldest batch goes to the shared array while that
///                        has room, else to the slabs; empty slabs beyond free_limit go  (SLAB-30..43)
///     kmalloc            11 size classes of such caches, larger sizes straight from the page source
///
/// cache.hpp tells what lies where and what guards it, slab_head.hpp what a slab remembers, geometry.hpp the
/// layout of a slab. Rules are cited by their numbers (SLAB-n), laws by theirs (S1..S11, G8).
///
/// Fast paths are inline and touch one CPU's array and nothing else; only kfree reads one page descriptor, to
/// learn the cache. They hold no atomic instruction: in every context nobody else is on that CPU.
/// kmem_cache_free does not look at the object's slab: a foreign or interior pointer and an object of another
/// cache are found when they return to the slab, reported then and dropped. A double free is found only if
/// its slab has no other object out then (with debug checks: always at that moment), as in Linux without
/// CONFIG_DEBUG_SLAB; find_violation() names it before (S1, S4).
///
/// Beside Linux 6.1: one node (no SLAB-17, SLAB-33); no memory control groups; no RCU: pages of a
/// TYPESAFE_BY_RCU slab go back at once; no boot with arrays of one entry (SLAB-9); no CONFIG_DEBUG_SLAB
/// (SLAB-70): the debug flags of a description are accepted and do nothing. Linux places the first reaping of
/// a cache's node by the cache's address (SLAB-51), here its number decides, so that runs repeat. A drain of
/// all CPUs is done by the caller, CPU by CPU ascending (SLAB-52), so it needs the cache for itself; in a
/// preemptible context a CPU on a slow path drains itself when it leaves it. A law about alien arrays (part
/// of S4) has no object here; SLUB's and SLOB's laws do not apply.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allocators/base/allocator_types.hpp"
#include "allocators/base/misuse.hpp"
#include "allocators/machine/page_source.hpp"
#include "allocators/objects/cpu_work.hpp"
#include "allocators/objects/frames_used.hpp"
#include "allocators/objects/kmalloc_front.hpp"
#include "allocators/objects/slab_owner.hpp"
#include "allocators/slab/cache.hpp"
#include "allocators/slab/config.hpp"
#include "allocators/slab/slab_head.hpp"

namespace kmemlab {

template <class Cpus>
class Slab {
  public:
    using Cache = SlabCache<Cpus>;

    /// Makes the kmalloc caches; takes no page. Throws UsageError if `config` cannot be. All references must
    /// outlive it. The only object allocator over the arena of `pages`.
    Slab(PageSourceRef pages, Cpus& cpus, const SlabConfig& config, MisuseLog& misuse);
    ~Slab();
    Slab(const Slab&) = delete;
    Slab& operator=(const Slab&) = delete;

    // --- ObjectCaches (objects/cache.hpp) ---
    [[nodiscard]] Cache* kmem_cache_create(const CacheDescription& description);
    bool kmem_cache_destroy(Cache& cache, CpuId cpu);
    [[nodiscard]] void* kmem_cache_alloc(Cache& cache, Gfp gfp, CpuId cpu) {
        void* object = pop(cache, cpu);
        if (object == nullptr) [[unlikely]] {
            object = slow_alloc(cache, gfp, cpu);
            if (object == nullptr) return nullptr;
        }
        if (gfp.has(__GFP_ZERO)) [[unlikely]]
            zero(cache, object);
        return object;
    }
    void kmem_cache_free(Cache& cache, void* object, CpuId cpu) {
        if (offset_of(object) >= arena_bytes_) [[unlikely]]
            return report_foreign(&cache, object);
        if (!push(cache, object, cpu)) [[unlikely]]
            slow_free(cache, object, cpu);
    }
    [[nodiscard]] std::size_t kmem_cache_alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects,
                                                    CpuId cpu);
    void kmem_cache_free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu);
    /// SLAB-53: drains, then gives all empty slabs back. True if slabs remain. Nobody else may be inside.
    bool kmem_cache_shrink(Cache& cache, CpuId cpu);

    // --- kmalloc (SLAB-61) ---
    [[nodiscard]] void* kmalloc(std::size_t size, Gfp gfp, CpuId cpu) {
        if (size - 1 >= kmalloc_max_cache_size) [[unlikely]]
            return kmalloc_other(size, gfp, cpu);
        return kmem_cache_alloc(kmalloc_cache(size, gfp), gfp, cpu);
    }
    void kfree(void* object, CpuId cpu) {
        Cache* const owner = slab_owner(object);
        if (owner == nullptr) [[unlikely]]
            return kfree_other(object, cpu);
        if (!push(*owner, object, cpu)) [[unlikely]]
            slow_free(*owner, object, cpu);
    }
    /// The fast paths alone: null or false, and nothing has happened, where it takes more.
    [[nodiscard]] void* kmem_cache_alloc_fast(Cache& cache, CpuId cpu) { return pop(cache, cpu); }
    [[nodiscard]] bool kfree_fast(void* object, CpuId cpu) {
        Cache* const owner = slab_owner(object);
        return owner != nullptr && push(*owner, object, cpu);
    }
    /// Bytes that may be used of what kmalloc or a cache gave: as its cache was asked; 0 for null and
    /// kmalloc(0).
    [[nodiscard]] std::size_t ksize(const void* object) const;
    [[nodiscard]] void* krealloc(void* object, std::size_t size, Gfp gfp, CpuId cpu) {
        return krealloc_by_copy(*this, object, size, gfp, cpu);
    }
    void kfree_bulk(std::span<void*> objects, CpuId cpu);
    /// Bytes that kmalloc(size) would give (kmalloc_size_roundup).
    [[nodiscard]] std::size_t kmalloc_size_roundup(std::size_t size) const;
    /// The cache that serves kmalloc of 1..8192 bytes.
    [[nodiscard]] Cache& kmalloc_cache(std::size_t size, Gfp gfp) const {
        return *kmalloc_caches_[static_cast<std::size_t>(kmalloc_type(gfp))][kmalloc_class(size)];
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
    [[nodiscard]] Path last_path(CpuId cpu) { return std::exchange(cpu_states_[cpu].path, Path::fast); }
    void drain(CpuId cpu);
    [[nodiscard]] MaybeViolation find_violation() const;
    [[nodiscard]] std::vector<Text> snapshot() const { return {{"slabinfo", slabinfo()}}; }
    [[nodiscard]] FreeBlocks free_blocks() const { return {}; }

    // --- The reaper, on a virtual clock (SLAB-50, 51) ---
    /// One round of the reaper of `cpu`, over all caches, at the time `now`. Nobody may destroy one
    /// meanwhile.
    void reap(Jiffies now, CpuId cpu);
    /// Lets `passed` go by and runs every CPU's reaper whenever it is due: first after one second, then every
    /// two, CPU c three jiffies after CPU c-1. Nobody else may be inside.
    void advance_clock(Jiffies passed);
    [[nodiscard]] Jiffies now() const { return now_; }

    // --- What the kernel shows in and takes from /proc/slabinfo ---
    [[nodiscard]] std::string slabinfo() const;
    /// SLAB-8, the write of `name limit batchcount shared`. False, and nothing happens, unless limit >= 1 and
    /// 1 <= batchcount <= limit. Nobody else may be inside the cache.
    bool tune(Cache& cache, std::uint32_t limit, std::uint32_t batchcount, std::uint32_t shared, CpuId cpu);
    /// Gives what a CPU's array holds to the slabs (one CPU's part of SLAB-52).
    void drain_cpu(Cache& cache, CpuId drained, CpuId cpu);
    /// All that a CPU holds, as when it goes offline. Nobody is on it, and no cache comes or goes.
    void cpu_dead(CpuId dead, CpuId cpu) {
        for (const auto& cache : caches_) drain_cpu(*cache, dead, cpu);
    }

    /// The numbers of the objects that are free in a slab, the next to be taken first.
    [[nodiscard]] std::span<const std::uint8_t> free_objects(const Cache& cache, FrameIndex slab) const {
        const SlabHead head = SlabHead::load(pages_[slab]);
        if (head.active >= cache.geometry.objects) return {};
        return {indexes_of(cache, slab, head) + head.active, cache.geometry.objects - head.active};
    }

    /// All caches, oldest first. Nobody may create or destroy one meanwhile.
    [[nodiscard]] const std::vector<std::unique_ptr<Cache>>& caches() const { return caches_; }
    [[nodiscard]] Arena& arena() const { return arena_; }

  private:
    struct CpuState : CpuWork {
        // Index arrays off their slabs: operations of ours, not of the caller.
        std::uint64_t own_fast_allocations = 0;
        std::uint64_t own_fast_frees = 0;
    };
    class SlowSection;
    class Audit;

    [[nodiscard]] std::size_t offset_of(const void* p) const {
        return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(memory_);
    }

    /// The cache of the slab that `object` lies in; nullptr if that takes a closer look.
    [[nodiscard]] Cache* slab_owner(const void* object) const {
        return owner_of_slab<Cache>(offset_of(object), arena_bytes_, pages_, frames_);
    }

    // --- The CPU's array ---
    /// SLAB-10; nullptr if it is empty.
    [[nodiscard]] void* pop(Cache& cache, CpuId cpu) {
        ArrayCache& array = cache.arrays[cpu];
        if (array.avail == 0) [[unlikely]]
            return nullptr;
        array.touched = true;
        ++array.alloc_hits;
        return array.pop();
    }
    /// SLAB-30; false if it is full.
    [[nodiscard]] bool push(Cache& cache, void* object, CpuId cpu) {
        ArrayCache& array = cache.arrays[cpu];
        if (array.avail == array.limit) [[unlikely]]
            return false;
        ++array.free_hits;
        array.push(object);
        return true;
    }

    // --- Allocation (impl/alloc.hpp) ---
    [[nodiscard]] void* slow_alloc(Cache& cache, Gfp gfp, CpuId cpu);
    [[nodiscard]] void* refill(Cache& cache, ArrayCache& array, Gfp gfp, CpuId cpu, Path& path);
    [[nodiscard]] bool refill_from_node(Cache& cache, ArrayCache& array, std::uint32_t batch, Path& path,
                                        CpuId cpu);
    [[nodiscard]] bool refill_from_new_slab(Cache& cache, ArrayCache& array, std::uint32_t batch, Gfp gfp,
                                            CpuId cpu);
    void take_shared(Cache& cache, ArrayCache& array, std::uint32_t batch) const;
    [[nodiscard]] std::uint32_t take_objects(Cache& cache, ArrayCache& array, FrameIndex slab,
                                             std::uint32_t most) const;
    void zero(const Cache& cache, void* object);

    // --- Slabs (impl/slabs.hpp) ---
    [[nodiscard]] FrameIndex new_slab(Cache& cache, Gfp gfp, CpuId cpu);
    [[nodiscard]] FrameIndex take_pages(Cache& cache, Gfp gfp, CpuId cpu);
    void give_pages(FrameIndex slab, CpuId cpu);
    [[nodiscard]] std::size_t next_colour(Cache& cache) const;
    void write_indexes(Cache& cache, FrameIndex slab, SlabHead& head);
    void construct_objects(Cache& cache, FrameIndex slab, const SlabHead& head) const;
    void destroy_slab(Cache& cache, FrameIndex slab, CpuId cpu);
    void destroy_slabs(Cache& cache, FrameIndex first, CpuId cpu);
    [[nodiscard]] void* own_kmalloc(std::size_t size, Gfp gfp, CpuId cpu);
    void own_kfree(void* object, CpuId cpu);

    // --- Return of objects (impl/free.hpp) ---
    void slow_free(Cache& cache, void* object, CpuId cpu);
    [[nodiscard]] Path flush(Cache& cache, ArrayCache& array, CpuId cpu);
    /// SLAB-40, 41, under the lock. Returns the slabs to destroy, linked by Page::next.
    [[nodiscard]] FrameIndex return_objects(Cache& cache, std::span<void* const> objects);
    [[nodiscard]] bool return_object(Cache& cache, void* object);
    [[nodiscard]] bool is_free(const Cache& cache, FrameIndex slab, const SlabHead& head,
                               std::uint64_t index) const;
    [[nodiscard]] FrameIndex take_surplus(Cache& cache) const;
    [[nodiscard]] bool belongs(Cache& cache, void* object, FrameIndex slab);
    /// The oldest `n` entries go to the slabs, under the lock. Returns the slabs to destroy.
    [[nodiscard]] FrameIndex return_oldest(Cache& cache, ArrayCache& array, std::uint32_t n);
    /// The slab or large block that `object` is in, or no_frame.
    [[nodiscard]] FrameIndex block_of(const void* object) const;
    void report(MisuseKind kind, const Cache* cache, const void* object, const std::string& what);
    void report_foreign(const Cache* cache, const void* object);

    // --- Reaper, drain, shrink (impl/reap.hpp) ---
    void drain_array(Cache& cache, ArrayCache& array, std::uint32_t most, CpuId cpu);
    void drain_all(Cache& cache, CpuId cpu);
    void reap_node(Cache& cache, Jiffies now, CpuId cpu);
    void release_free_slabs(Cache& cache, std::uint64_t most, CpuId cpu);

    // --- Caches (impl/create.hpp), kmalloc (impl/kmalloc.hpp) ---
    void make_kmalloc_caches();
    [[nodiscard]] Cache* find_mergeable(const CacheDescription& description, const Cache& like) const;
    [[nodiscard]] std::unique_ptr<Cache> make_cache(const CacheDescription& description, bool kmalloc);
    [[nodiscard]] bool drop_description(Cache& cache);
    void retire(const Cache& cache);
    void report_remaining(Cache& cache);
    [[nodiscard]] void* kmalloc_other(std::size_t size, Gfp gfp, CpuId cpu);
    void kfree_other(void* object, CpuId cpu);
    [[nodiscard]] void* kmalloc_large(std::size_t size, Gfp gfp, CpuId cpu);
    void free_large(FrameIndex head, CpuId cpu);

    // --- Places ---
    [[nodiscard]] std::byte* slab_start(FrameIndex slab) const { return arena_.address_at(slab); }
    [[nodiscard]] std::byte* object_at(const Cache& cache, FrameIndex slab, const SlabHead& head,
                                       std::uint64_t i) const {
        return slab_start(slab) + head.colour + i * cache.geometry.size;
    }
    /// The free indexes of a slab; entries from `active` on mean something.
    [[nodiscard]] std::uint8_t* indexes_of(const Cache& cache, FrameIndex slab, const SlabHead& head) const;

    // Hot: read by every operation.
    std::byte* memory_;
    std::size_t arena_bytes_;
    Page* pages_;
    std::uint64_t frames_;
    std::array<std::array<Cache*, kmalloc_class_count>, kmalloc_types> kmalloc_caches_{};

    Arena& arena_;
    PageSourceRef source_;
    Cpus& cpus_;
    MisuseLog& log_;
    SlabConfig config_;
    SlabGeometryRules rules_;
    PerCpu<CpuState> cpu_states_;
    std::vector<std::unique_ptr<Cache>> caches_;
    typename Cpus::Lock caches_lock_;
    std::atomic<std::uint64_t> caches_made_{0};
    std::atomic<std::uint64_t> random_draws_{0};
    Jiffies now_ = 0;
    FramesUsed frames_used_;
};

extern template class Slab<OwnedCpus>;
extern template class Slab<SimulatedCpus>;

}  // namespace kmemlab

/// SLOB, as Linux 6.1 has it: one heap of pages for all sizes below a page, first fit, one lock.
///
///     lists   small (< 256 bytes): [page]-[page]-...   medium (< 1024): [page]-...   large: [page]-...
///              a ring each (page_ring.hpp), the head is the page that served last
///     page    free blocks in units of 2 bytes, chained in their own memory (heap_page.hpp)
///     kmalloc | size, 4 bytes | pad | object ...     a header of 8 bytes; the object is aligned, not it
///     4088 bytes and more of kmalloc, 4096 and more of a cache: blocks of pages, nothing else
///
///     allocate  walk the list from its head: the first block that fits, of the first page that has one;
///               that page becomes the head; else a new page at the head               (SLOB-10..16)
///     free      the block goes back to its place by address and joins its neighbours; an empty page goes
///               back at once, a page that was full comes to the head                  (SLOB-20..23)
///
/// Rules are cited by their numbers (SLOB-n), laws by theirs (O1..O10, G8). One lock guards lists, words of
/// heap pages, free blocks and the ledger; it is not held while pages are taken or given, nor while
/// constructors run. Blocks of pages take no lock. Beside that only counters per CPU.
///
/// Which way served: node_partial (a page of a list; a free: a full page came to its list), new_slab, slab (a
/// free into a page that stays where it is), discard (the page went back), large (a block of pages). There is
/// no fast path, nothing per CPU and nothing held for reuse: shrink and drain find nothing to give.
///
/// Beside Linux 6.1: no NUMA; no grace period, so TYPESAFE_BY_RCU objects are free at once (their size is
/// written to the footer all the same); caches count their live objects, so that destroying one which has
/// some is refused; an alignment above a page is kept, by blocks of pages; zeroing fills whole units; double
/// frees, overwritten free blocks and pointers that cannot be ours are reported, and all misuse if
/// `slob.track` is set. There is no /proc/slabinfo with SLOB. The laws of SLAB and SLUB do not apply.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allocators/base/allocator_types.hpp"
#include "allocators/base/misuse.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/machine/page_source.hpp"
#include "allocators/objects/cpu_work.hpp"
#include "allocators/objects/frames_used.hpp"
#include "allocators/objects/kmalloc_front.hpp"
#include "allocators/slob/config.hpp"
#include "allocators/slob/geometry.hpp"
#include "allocators/slob/heap_page.hpp"
#include "allocators/slob/ledger.hpp"
#include "allocators/slob/page_ring.hpp"

namespace kmemlab {

struct SlobCache {
    /// What one CPU did.
    struct Work {
        std::uint64_t allocations = 0;
        std::uint64_t frees = 0;
        std::uint64_t constructions = 0;  ///< O9: as many as allocations, if there is a constructor
    };

    explicit SlobCache(unsigned cpus) : works{cpus} {}

    std::string name;
    SlobGeometry geometry;
    Constructor constructor = nullptr;
    PerCpu<Work> works;  ///< a count that CPUs share would cost as much as the heap's lock

    /// Of all CPUs. Nobody else may be inside.
    [[nodiscard]] Work work() const {
        Work sum;
        for (CpuId cpu{0}; cpu.value() < works.count(); ++cpu) {
            sum.allocations += works[cpu].allocations;
            sum.frees += works[cpu].frees;
            sum.constructions += works[cpu].constructions;
        }
        return sum;
    }
    [[nodiscard]] std::uint64_t live() const {
        const Work sum = work();
        return sum.allocations - sum.frees;
    }
    /// None: no CPU keeps anything.
    [[nodiscard]] static CacheTraffic traffic() { return {}; }
};

template <class Cpus>
class Slob {
  public:
    using Cache = SlobCache;
    struct Inside;  ///< for state.hpp and tests (inside.hpp)

    /// Takes no page. All references must outlive it. The only object allocator over the arena of `pages`.
    Slob(PageSourceRef pages, Cpus& cpus, const SlobConfig& config, MisuseLog& misuse);
    ~Slob() = default;
    Slob(const Slob&) = delete;
    Slob& operator=(const Slob&) = delete;

    // --- ObjectCaches (objects/cache.hpp); caches are never merged (SLOB-40) ---
    [[nodiscard]] Cache* kmem_cache_create(const CacheDescription& description);
    bool kmem_cache_destroy(Cache& cache, CpuId cpu);
    [[nodiscard]] void* kmem_cache_alloc(Cache& cache, Gfp gfp, CpuId cpu);
    void kmem_cache_free(Cache& cache, void* object, CpuId cpu);
    [[nodiscard]] std::size_t kmem_cache_alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects,
                                                    CpuId cpu);
    void kmem_cache_free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu);
    /// Gives nothing back, for nothing is kept (SLOB-40). True if objects of the cache live.
    bool kmem_cache_shrink(Cache& cache, CpuId) { return cache.live() != 0; }

    // --- kmalloc (SLOB-30..34) ---
    [[nodiscard]] void* kmalloc(std::size_t size, Gfp gfp, CpuId cpu);
    void kfree(void* object, CpuId cpu);
    void kfree_bulk(std::span<void*> objects, CpuId cpu);
    /// Bytes that may be used of what kmalloc gave; 0 for null and kmalloc(0).
    [[nodiscard]] std::size_t ksize(const void* object) const;
    [[nodiscard]] void* krealloc(void* object, std::size_t size, Gfp gfp, CpuId cpu) {
        return krealloc_by_copy(*this, object, size, gfp, cpu);
    }
    [[nodiscard]] std::size_t kmalloc_size_roundup(std::size_t size) const {
        return slob_kmalloc_size_roundup(size);
    }

    // --- Allocator (contract/allocator.hpp): kmalloc; larger alignments by sizes that are powers of two ---
    [[nodiscard]] void* allocate(const Request& request) {
        const bool aligned = request.align <= min_object_align;
        return kmalloc(aligned ? request.size : aligned_kmalloc_size(request), request.gfp, request.cpu);
    }
    void deallocate(void* p, CpuId cpu) { kfree(p, cpu); }
    [[nodiscard]] std::size_t usable_size(const void* p) const { return ksize(p); }
    [[nodiscard]] const SlobConfig& config() const { return config_; }
    [[nodiscard]] AllocatorStats stats() const;
    [[nodiscard]] Path last_path(CpuId cpu) { return std::exchange(cpu_states_[cpu].path, Path::fast); }
    void drain(CpuId) {}
    [[nodiscard]] MaybeViolation find_violation() const;
    /// Nothing: Linux shows no text of SLOB's own.
    [[nodiscard]] std::vector<Text> snapshot() const { return {}; }
    [[nodiscard]] FreeBlocks free_blocks() const { return {}; }

    /// All caches, oldest first. Nobody may create or destroy one meanwhile.
    [[nodiscard]] const std::vector<std::unique_ptr<Cache>>& caches() const { return caches_; }
    [[nodiscard]] const PageRing& list(SlobList list) const { return lists_[static_cast<std::size_t>(list)]; }
    /// Empty unless `slob.track` is set.
    [[nodiscard]] const Ledger& ledger() const { return ledger_; }
    [[nodiscard]] Arena& arena() const { return arena_; }
    /// How often the one lock was taken. Nobody else may be inside.
    [[nodiscard]] std::uint64_t lock_acquisitions() const { return lock_.acquisitions(); }

  private:
    /// Memory of the heap: a page and units in it; or none.
    struct Piece {
        FrameIndex frame = no_frame;
        SlobUnits at = 0;
        SlobUnits units = 0;
        [[nodiscard]] bool found() const { return frame != no_frame; }
    };
    /// What came of a free: where the page stands now, or what was wrong.
    struct FreeResult {
        Path path = Path::slab;
        std::optional<MisuseKind> misuse;
    };
    class Audit;

    // --- The heap (impl/heap.hpp). Steps that return several things are inlined: put into memory one by one
    // and read back together, what they return would wait there for the lock before it to be written. ---
    [[nodiscard]] std::byte* take_object(SlobShape shape, const Cache* cache, Gfp gfp, CpuId cpu);
    void note(Piece piece, SlobShape shape, const Cache* cache);
    [[nodiscard, gnu::always_inline]] inline Piece search(SlobShape shape, bool& corrupt);
    [[nodiscard, gnu::always_inline]] inline Piece take_from(PageRing& list, FrameIndex frame,
                                                             SlobShape shape, bool& corrupt);
    [[nodiscard]] Piece add_page(Pfn pfn, SlobShape shape);
    /// False: not given back, and reported.
    [[gnu::always_inline]] inline bool give_object(const Piece& piece, std::size_t bytes, const void* object,
                                                   const Cache* cache, CpuId cpu);
    [[nodiscard, gnu::always_inline]] inline FreeResult give_units(const Piece& piece, std::size_t bytes);
    [[nodiscard, gnu::always_inline]] static inline std::optional<MisuseKind> refusal(
        HeapPage& page, const Piece& piece, std::size_t bytes, const HeapPage::Neighbours& around);
    void adopt_page(FrameIndex frame);
    void forget_page(FrameIndex frame);
    [[nodiscard]] HeapPage heap_page(FrameIndex frame) const {
        return {memory_ + (std::size_t{frame} << page_shift), pages_[frame]};
    }
    [[nodiscard]] PageRing& list_of(SlobList list) { return lists_[static_cast<std::size_t>(list)]; }
    [[nodiscard]] std::size_t offset_of(const void* p) const {
        return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(memory_);
    }
    [[nodiscard]] Piece piece_at(const std::byte* begin, std::size_t bytes) const;

    // --- Blocks of pages (impl/blocks.hpp) ---
    [[nodiscard]] void* take_block(Order order, Gfp gfp, const LedgerEntry& entry, CpuId cpu);
    void give_block(FrameIndex head, CpuId cpu);
    /// The block of pages that `object` lies in, if that can be seen; no_frame otherwise.
    [[nodiscard]] FrameIndex block_of(const void* object) const;

    // --- Frees and their checks (impl/free.hpp) ---
    void free_kmalloc_object(std::byte* object, CpuId cpu);
    [[nodiscard, gnu::always_inline]] inline bool free_from_heap(Cache& cache, std::byte* object, CpuId cpu);
    [[nodiscard]] bool free_block(const Cache* cache, std::byte* object, CpuId cpu);
    [[nodiscard, gnu::always_inline]] inline bool is_ours(const void* object, PageKind kind) const;
    /// With a ledger: may `object` be freed to `cache` (null: kfree)? Reports why not, and strikes it off if
    /// so. Without one: yes. `header` is the number of bytes before the object.
    [[nodiscard]] bool strike_off(const std::byte* object, std::size_t header, const Cache* cache,
                                  CpuId cpu) {
        return !config_.track || strike_off_ledger(object, header, cache, cpu);
    }
    [[nodiscard]] bool strike_off_ledger(const std::byte* object, std::size_t header, const Cache* cache,
                                         CpuId cpu);
    [[nodiscard]] std::optional<MisuseKind> fault_in_ledger(const std::byte* object, std::size_t header,
                                                            const Cache* cache);
    void report_not_ours(const Cache* cache, const void* object);
    void report(MisuseKind kind, const Cache* cache, const void* object);
    [[nodiscard]] static std::uint32_t header_of(const std::byte* object);

    // Hot: read by every operation.
    std::byte* memory_;
    std::size_t arena_bytes_;
    Page* pages_;

    Arena& arena_;
    PageSourceRef source_;
    Cpus& cpus_;
    MisuseLog& log_;
    SlobConfig config_;
    typename Cpus::Lock lock_;
    std::array<PageRing, slob_lists> lists_;
    Ledger ledger_;
    PerCpu<CpuWork> cpu_states_;
    std::vector<std::unique_ptr<Cache>> caches_;
    typename Cpus::Lock caches_lock_;
    FramesUsed frames_used_;
};

extern template class Slob<OwnedCpus>;
extern template class Slob<SimulatedCpus>;

}  // namespace kmemlab

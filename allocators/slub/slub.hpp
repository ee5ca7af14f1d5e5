/// SLUB, as Linux 6.1 has it: objects of one size, packed into slabs, with a free list per CPU.
///
///     kmem_cache_alloc   CPU's free list -> slab's own list -> CPU's partial slabs -> node's partial slabs
///                        -> new slab from the page source                        (SLUB-20..24)
///     kmem_cache_free    slab of this CPU: front of the CPU's free list. Another: the slab's own list, and
///                        if it was full, onto this CPU's partial list              (SLUB-30..36)
///     kmalloc            13 size classes of such caches, larger sizes straight from the page source
///
/// cache.hpp tells what lies where and what guards it, slab_word.hpp the word that CPUs share, geometry.hpp
/// the layout of an object. Rules are cited by their numbers (SLUB-n), laws by theirs (U1..U12, G8).
///
/// Fast paths are inline and touch one CPU slot, the object and, to free, one page descriptor. In an owned
/// context they hold no atomic instruction: nobody else is on that CPU. In a preemptible context they take a
/// snapshot, let the schedule strike, and commit only if the transaction number is unchanged (U6).
///
/// Beside Linux 6.1: no NUMA (SLUB-25), no memory control groups, no RCU: pages of a TYPESAFE_BY_RCU slab go
/// back at once. A flush of all CPUs is done by the caller, CPU by CPU ascending (SLUB-42), so it needs the
/// cache for itself; in a preemptible context a CPU on a slow path flushes itself when it leaves it. Foreign
/// and interior pointers and wrong caches are found on every slow path, not only with debugging. With debug
/// flags, one cache's operations are serialised by its lock, as in Linux. SLOB's and SLAB's laws do not
/// apply.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocators/base/allocator_types.hpp"
#include "allocators/base/misuse.hpp"
#include "allocators/machine/page_source.hpp"
#include "allocators/objects/cpu_work.hpp"
#include "allocators/objects/frames_used.hpp"
#include "allocators/objects/kmalloc_front.hpp"
#include "allocators/objects/slab_owner.hpp"
#include "allocators/slub/cache.hpp"
#include "allocators/slub/config.hpp"
#include "allocators/slub/debug.hpp"
#include "allocators/slub/slab_word.hpp"

namespace kmemlab {

template <class Cpus>
class Slub {
  public:
    using Cache = SlubCache<Cpus>;

    /// What makes the objects for caches: of the name and layout given.
    using CacheMaker = std::function<std::unique_ptr<Cache>(const std::string&, const Geometry&)>;

    /// Makes the kmalloc caches; takes no page. Throws UsageError if `config` cannot be. All references must
    /// outlive it. The only object allocator over the arena of `pages`. A layer above may have its own caches
    /// made by `maker`.
    Slub(PageSourceRef pages, Cpus& cpus, const SlubConfig& config, MisuseLog& misuse, CacheMaker maker = {});
    ~Slub();
    Slub(const Slub&) = delete;
    Slub& operator=(const Slub&) = delete;

    // --- ObjectCaches (objects/cache.hpp) ---
    [[nodiscard]] Cache* kmem_cache_create(const CacheDescription& description);
    bool kmem_cache_destroy(Cache& cache, CpuId cpu) {
        return !drop_description(cache) || destroy_unused(cache, cpu);
    }
    [[nodiscard]] void* kmem_cache_alloc(Cache& cache, Gfp gfp, CpuId cpu) {
        void* const object = pop(cache, cpu);
        if (object == nullptr) [[unlikely]]
            return slow_alloc(cache, gfp, cpu, cache.geometry.object_size);
        if (gfp.has(__GFP_ZERO)) [[unlikely]]
            zero(cache, object);
        return object;
    }
    void kmem_cache_free(Cache& cache, void* object, CpuId cpu) {
        if (!push(cache, object, cpu)) [[unlikely]]
            checked_free(&cache, object, cpu);
    }
    [[nodiscard]] std::size_t kmem_cache_alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects,
                                                    CpuId cpu);
    void kmem_cache_free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu);
    /// Gives empty slabs back and sorts the node's list, fullest first (SLUB-43). True if slabs remain.
    /// Nobody else may be inside the cache.
    bool kmem_cache_shrink(Cache& cache, CpuId cpu);

    // --- kmalloc (SLUB-60..63) ---
    [[nodiscard]] void* kmalloc(std::size_t size, Gfp gfp, CpuId cpu) {
        if (size - 1 >= kmalloc_max_cache_size) [[unlikely]]
            return kmalloc_other(size, gfp, cpu);
        Cache& cache = kmalloc_cache(size, gfp);
        void* const object = pop(cache, cpu);
        if (object == nullptr) [[unlikely]]
            return slow_alloc(cache, gfp, cpu, size);
        if (gfp.has(__GFP_ZERO)) [[unlikely]]
            zero(cache, object);
        return object;
    }
    void kfree(void* object, CpuId cpu) {
        if (!kfree_fast(object, cpu)) [[unlikely]]
            checked_free(nullptr, object, cpu);
    }
    /// The fast paths alone: null or false, and nothing has happened, where it takes more.
    [[nodiscard]] void* kmem_cache_alloc_fast(Cache& cache, CpuId cpu) { return pop(cache, cpu); }
    [[nodiscard]] bool kfree_fast(void* object, CpuId cpu) {
        Cache* const owner = slab_owner(object);
        return owner != nullptr && push(*owner, object, cpu);
    }
    /// Bytes that may be used of what kmalloc or a cache gave; 0 for null and kmalloc(0) (SLUB-62).
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
    [[nodiscard]] std::vector<Text> snapshot() const;
    [[nodiscard]] FreeBlocks free_blocks() const { return {}; }

    // --- What the kernel shows below /proc and /sys/kernel/slab ---
    [[nodiscard]] std::string slabinfo() const;
    /// Attributes of a cache, one file each (SLUB-80).
    [[nodiscard]] std::vector<Text> attributes(const Cache& cache) const;
    /// Event counts of a cache, as SLUB_STATS shows them: total and per CPU.
    [[nodiscard]] std::vector<Text> event_texts(const Cache& cache) const;
    /// Writes of cpu_partial and min_partial. cpu_partial flushes all CPUs.
    void set_cpu_partial(Cache& cache, std::uint32_t objects, CpuId cpu);
    void set_min_partial(Cache& cache, std::uint32_t slabs);
    /// Checks all slabs of a debug cache, reports and repairs what is wrong. Returns slabs looked at.
    std::uint64_t validate(Cache& cache, CpuId cpu);
    /// Where lines of traced caches go (slub_debug T); stderr if nowhere else.
    void set_trace_listener(std::function<void(std::string_view)> listener) {
        on_trace_ = std::move(listener);
    }
    /// Gives what a CPU holds of a cache to the node (SLUB-42).
    void flush_cpu(Cache& cache, CpuId flushed, CpuId cpu);
    /// All that a CPU holds, as when it goes offline. Nobody is on it, and no cache comes or goes.
    void cpu_dead(CpuId dead, CpuId cpu) {
        for (const auto& cache : caches_) flush_cpu(*cache, dead, cpu);
    }

    // --- For a layer above that keeps free objects per CPU itself (allocators/sheaves). It takes objects by
    // these, gives them back by kmem_cache_free_bulk, and by no other operation: so no CPU has a slab. ---
    /// Fills `objects` from the front of the node's partial list, then from new slabs; what it does not want
    /// of the last slab is freed to it (SLUB-35). Returns how many there were; `path` is the dearest way
    /// gone.
    [[nodiscard]] std::size_t take_objects(Cache& cache, Gfp gfp, std::span<void*> objects, CpuId cpu,
                                           Path& path);
    /// Finds out what is to be freed, by kfree if `cache` is null, and reports what nobody may free. The slab
    /// whose cache is to take `object`; no_frame if nothing remains to do: large blocks are freed already.
    [[nodiscard]] FrameIndex examine_free(const Cache* cache, void* object, CpuId cpu);
    /// The two steps of kmem_cache_destroy: `cache` serves one description less. True if it was the last;
    /// then it gets no other until destroy_unused() finds objects in it.
    [[nodiscard]] bool drop_description(Cache& cache);
    [[nodiscard]] bool destroy_unused(Cache& cache, CpuId cpu);
    /// The slab of `cache` that `object` begins an object of, or no_frame.
    [[nodiscard]] FrameIndex slab_with(const Cache& cache, const void* object) const {
        const FrameIndex slab = slab_of(object);
        return slab != no_frame && pages_[slab].owner == &cache && on_stride(cache, slab, object) ? slab
                                                                                                  : no_frame;
    }
    /// The first object that is free in its slab; next_free() leads on.
    [[nodiscard]] void* first_free(FrameIndex slab) const {
        return first_free(slab, SlabWord::load(pages_[slab]));
    }
    /// What __GFP_ZERO asks for (G5). A constructed object is not zeroed (S8): that is reported.
    void zero(const Cache& cache, void* object);

    /// All caches, oldest first. Nobody may create or destroy one meanwhile.
    [[nodiscard]] const std::vector<std::unique_ptr<Cache>>& caches() const { return caches_; }
    [[nodiscard]] Arena& arena() const { return arena_; }
    /// The free object after `object` (decoded), for those who look at lists.
    [[nodiscard]] static void* next_free(const Cache& cache, const void* object) {
        return get_free_pointer(cache, object);
    }

  private:
    /// Objects of one slab, linked from head to tail.
    struct Chain {
        void* head = nullptr;
        void* tail = nullptr;
        std::uint32_t count = 0;
    };
    class SlowSection;

    [[nodiscard]] std::size_t offset_of(const void* p) const {
        return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(memory_);
    }

    /// The cache of the slab that `object` lies in; nullptr if that takes a closer look.
    [[nodiscard]] Cache* slab_owner(const void* object) const {
        return owner_of_slab<Cache>(offset_of(object), arena_bytes_, pages_, frames_);
    }

    /// The memory of a slab; of no_frame: none.
    [[nodiscard]] std::span<const std::byte> memory_of(FrameIndex slab) const {
        if (slab == no_frame) return {};
        return {memory_ + (std::size_t{slab} << page_shift), Order{pages_[slab].load_state().order}.bytes()};
    }

    // --- The CPU's free list ---
    /// SLUB-20; nullptr if it is empty.
    [[nodiscard]] void* pop(Cache& cache, CpuId cpu) {
        CpuSlot& slot = cache.slots[cpu];
        if constexpr (Cpus::preemptible) return pop_preemptible(cache, slot, cpu);
        void* const object = slot.freelist;
        if (object == nullptr) [[unlikely]]
            return nullptr;
        slot.freelist = get_free_pointer(cache, object);
        slot.count(SlubEvent::alloc_fastpath);
        return object;
    }
    /// SLUB-30; false if `object` is not in this CPU's slab.
    [[nodiscard]] bool push(Cache& cache, void* object, CpuId cpu) {
        CpuSlot& slot = cache.slots[cpu];
        if (reinterpret_cast<std::uintptr_t>(object) - slot.slab_begin >= slot.slab_bytes) [[unlikely]]
            return false;
        if constexpr (Cpus::preemptible) return push_chain(cache, slot, slot.slab, {object, object, 1}, cpu);
        set_free_pointer(cache, object, slot.freelist);
        slot.freelist = object;
        slot.count(SlubEvent::free_fastpath);
        return true;
    }
    [[nodiscard]] void* pop_preemptible(Cache& cache, CpuSlot& slot, CpuId cpu);
    [[nodiscard]] bool push_chain(Cache& cache, CpuSlot& slot, FrameIndex slab, Chain chain, CpuId cpu);
    void step_tid(CpuSlot& slot) const {
        if constexpr (Cpus::preemptible) slot.tid += tid_step_;
    }
    void set_cpu_slab(CpuSlot& slot, FrameIndex slab, void* freelist) const;
    void shared_point(CpuId cpu) const {
        if constexpr (Cpus::preemptible) cpus_.point(Point::shared_word, cpu);
    }

    // --- Slow paths: allocation (impl/alloc.hpp) ---
    [[nodiscard]] void* slow_alloc(Cache& cache, Gfp gfp, CpuId cpu, std::size_t asked);
    [[nodiscard]] void* refill(Cache& cache, CpuSlot& slot, Gfp gfp, CpuId cpu, Path& path);
    [[nodiscard]] void* take_slab_freelist(Cache& cache, CpuSlot& slot, CpuId cpu);
    [[nodiscard]] void* take_cpu_partial(Cache& cache, CpuSlot& slot, CpuId cpu);
    [[nodiscard]] void* take_node_partial(Cache& cache, CpuSlot& slot, CpuId cpu);
    /// What a slab that leaves the node's list gives: itself to a CPU, its free objects, or both.
    enum class Claim : std::uint8_t { slab, objects, slab_and_objects };
    [[nodiscard]] void* claim(CpuSlot& slot, FrameIndex slab, Claim what) const;
    [[nodiscard]] FrameIndex new_slab(Cache& cache, CpuSlot& slot, Gfp gfp, CpuId cpu, void*& freelist);
    /// Of debugging: where a request came from, and the size asked.
    struct Caller {
        const void* address = nullptr;
        std::size_t asked = 0;
    };
    [[nodiscard]] FrameIndex take_pages(Cache& cache, CpuSlot& slot, Gfp gfp, CpuId cpu);
    [[nodiscard]] void* link_objects(Cache& cache, FrameIndex slab, std::uint32_t objects);

    // --- Slow paths: free (impl/free.hpp) ---
    void checked_free(Cache* cache, void* object, CpuId cpu);
    /// The slab that `object` is in, or no_frame.
    [[nodiscard]] FrameIndex slab_of(const void* object) const;
    [[nodiscard]] bool on_stride(const Cache& cache, FrameIndex slab, const void* object) const;
    void report_bad_free(MisuseKind kind, const Cache* cache, const void* object, const std::string& what);
    // Inlined: a chain that is put into memory field by field and read back as a whole would wait there, and
    // most frees of a batch come here. Words of a slab are passed by value for the same reason.
    [[gnu::always_inline]] inline void free_chain(Cache& cache, FrameIndex slab, Chain chain, CpuId cpu);
    [[nodiscard, gnu::always_inline]] inline Path slow_free(Cache& cache, CpuSlot& slot, FrameIndex slab,
                                                            Chain chain, CpuId cpu);
    [[nodiscard]] Path free_on_node(Cache& cache, CpuSlot& slot, FrameIndex slab, SlabWord before,
                                    SlabWord after, bool& done, CpuId cpu);
    void put_cpu_partial(Cache& cache, CpuSlot& slot, FrameIndex slab, bool may_drain, CpuId cpu);
    [[nodiscard]] std::span<void*> free_last_chain(Cache* cache, std::span<void*> objects, CpuId cpu);
    [[nodiscard]] std::size_t gather_chain(Cache& cache, FrameIndex slab, std::span<void*> objects,
                                           Chain& chain) const;

    // --- For a layer above (impl/hand_out.hpp) ---
    [[nodiscard]] std::size_t take_from_partial(Cache& cache, CpuSlot& slot, std::span<void*> objects,
                                                CpuId cpu);
    [[nodiscard]] std::size_t unlink_objects(const Cache& cache, void* first, std::span<void*> objects,
                                             Chain& rest) const;
    void give_rest(Cache& cache, CpuSlot& slot, Chain rest, CpuId cpu);

    // --- Debug caches (impl/debug.hpp) ---
    [[nodiscard]] void* debug_alloc(Cache& cache, CpuSlot& slot, Gfp gfp, CpuId cpu, Path& path,
                                    const Caller& caller);
    [[nodiscard]] void* debug_take(Cache& cache, SlabChecker& checker, FrameIndex slab,
                                   const OwnerRecord& owner, std::size_t asked);
    void debug_free(Cache& cache, FrameIndex slab, void* object, CpuId cpu, const void* caller);
    [[nodiscard]] bool debug_may_free(Cache& cache, SlabChecker& checker, FrameIndex slab, void* object);
    [[nodiscard]] Path debug_give(Cache& cache, CpuSlot& slot, FrameIndex slab, void* object);
    void debug_new_slab(Cache& cache, FrameIndex slab, std::uint32_t objects);
    [[nodiscard]] OwnerRecord owner_now(const void* address, CpuId cpu);
    void trace_line(const Cache& cache, std::string_view what, FrameIndex slab, const void* object);
    void report_remaining(Cache& cache);

    // --- Taking slabs away (impl/lists.hpp) ---
    void unfreeze_partials(Cache& cache, CpuSlot& slot, FrameIndex first, CpuId cpu);
    void deactivate_cpu_slab(Cache& cache, CpuSlot& slot, CpuId cpu);
    void flush_slot(Cache& cache, CpuSlot& slot, CpuId cpu);
    void flush_all(Cache& cache, CpuId cpu);
    void add_partial(Cache& cache, FrameIndex slab, bool at_head) const;
    void remove_partial(Cache& cache, FrameIndex slab) const;
    void discard_slab(Cache& cache, FrameIndex slab, CpuId cpu);
    void discard_slabs(Cache& cache, CpuSlot& slot, FrameIndex first, CpuId cpu);
    [[nodiscard]] std::uint64_t discard_empty(Cache& cache, CpuId cpu);

    // --- Caches (impl/create.hpp), kmalloc (impl/kmalloc.hpp) ---
    [[nodiscard]] Cache* find_mergeable(const CacheDescription& description, const Geometry& geometry) const;
    [[nodiscard]] std::unique_ptr<Cache> make_cache(const CacheDescription& description, bool kmalloc);
    void retire(const Cache& cache);
    [[nodiscard]] void* kmalloc_other(std::size_t size, Gfp gfp, CpuId cpu);
    [[nodiscard]] void* kmalloc_large(std::size_t size, Gfp gfp, CpuId cpu);
    void free_large(FrameIndex head, CpuId cpu);

    // --- find_violation (impl/check.hpp) ---
    class Audit;
    [[nodiscard]] std::vector<FrameIndex> slabs_of(const Cache& cache) const;

    // --- Objects and their places ---
    [[nodiscard]] std::byte* slab_start(FrameIndex slab) const { return arena_.address_at(slab); }
    [[nodiscard]] std::byte* object_at(const Cache& cache, FrameIndex slab, std::uint32_t i) const {
        return slab_start(slab) + cache.geometry.left_pad + i * cache.geometry.size;
    }
    /// The object that a word's free list begins with; nullptr if it is empty.
    [[nodiscard]] void* first_free(FrameIndex slab, const SlabWord& word) const {
        return word.has_free() ? slab_start(slab) + std::size_t{word.freelist} * 8 : nullptr;
    }
    [[nodiscard]] std::uint32_t free_index(FrameIndex slab, const void* object) const {
        if (object == nullptr) return SlabWord::no_object;
        return static_cast<std::uint32_t>(static_cast<const std::byte*>(object) - slab_start(slab)) / 8;
    }

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
    SlubConfig config_;
    GeometryRules rules_;
    std::uint64_t tid_step_;  ///< a power of two, at least the number of CPUs
    CacheMaker maker_;
    PerCpu<CpuWork> cpu_states_;
    std::vector<std::unique_ptr<Cache>> caches_;
    typename Cpus::Lock caches_lock_;
    std::atomic<std::uint64_t> caches_made_{0};
    std::atomic<std::uint64_t> operations_{0};  ///< the clock of debugging: operations on debug caches
    std::atomic<bool> tainted_{false};          ///< a report was made
    std::function<void(std::string_view)> on_trace_;
    FramesUsed frames_used_;
};

extern template class Slub<OwnedCpus>;
extern template class Slub<SimulatedCpus>;

}  // namespace kmemlab

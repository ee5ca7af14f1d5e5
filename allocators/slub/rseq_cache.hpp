/// One SLUB cache for any number of threads, which run on the machine's CPUs as the kernel puts them
/// (machine/rseq.hpp). Where no thread owns a CPU this is in the place of preemption being off:
///
///     alloc, free   the CPU's free list, in a restartable section: one store commits
///     otherwise     the CPU is locked, and it is an operation like any on that CPU
///
/// Fast operations are counted by threads, not by CPUs: a count beside the committing store could be lost or
/// done twice. settle() adds them to the cache's; before that its counts, and the laws about them, do not
/// hold.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "allocators/machine/rseq.hpp"
#include "allocators/slub/slub.hpp"

namespace kmemlab {

class RseqCache {
  public:
    using Cache = SlubCache<OwnedCpus>;

    /// All must outlive it. `cpus` as many as those of `slub`, and locked by nobody else's operations than
    /// those on `slub`, all of which must go by such locks.
    RseqCache(Slub<OwnedCpus>& slub, Cache& cache, RseqCpus& cpus)
        : slub_{slub},
          cache_{cache},
          cpus_{cpus},
          locks_{cpus.restartable() && !cache.debug && !cache.encoded ? cpus.locks() : nullptr},
          area_{RseqCpus::area()},
          heads_{reinterpret_cast<std::byte*>(&cache.slots[CpuId{0}].freelist)},
          link_{cache.free_offset} {}

    [[nodiscard]] void* alloc(Gfp gfp) {
        if (locks_ != nullptr && !gfp.has(__GFP_ZERO)) [[likely]] {
            void* const object = rseq_pop<stride>(area_, locks_, heads_, link_);
            if (object != nullptr) [[likely]] {
                count(&Counts::allocations);
                return object;
            }
        }
        return slow_alloc(gfp);
    }
    void free(void* object) {
        if (locks_ != nullptr && rseq_push<stride>(area_, locks_, heads_, link_, object)) [[likely]]
            return count(&Counts::frees);
        slow_free(object);
    }

    /// Adds what was counted to the cache's counts. Nobody else may be inside.
    void settle();

  private:
    struct alignas(cache_line_size) Counts {
        std::uint64_t allocations = 0;
        std::uint64_t frees = 0;
    };
    static constexpr unsigned own_counts = 256;  ///< threads beyond share one more
    static constexpr std::size_t stride = PerCpu<CpuSlot>::stride;

    static_assert(offsetof(CpuSlot, slab_begin) == offsetof(CpuSlot, freelist) + 8);
    static_assert(offsetof(CpuSlot, slab_bytes) == offsetof(CpuSlot, freelist) + 16);

    [[gnu::always_inline]] void count(std::uint64_t Counts::*which) {
        const unsigned thread = thread_number;
        if (thread >= own_counts) [[unlikely]]
            return count_shared(which);
        ++(counts_[thread].*which);
    }
    /// Of a thread's first operation, and of all of those for which there is no number left.
    [[gnu::noinline]] void count_shared(std::uint64_t Counts::*which);
    [[nodiscard, gnu::noinline]] void* slow_alloc(Gfp gfp);
    [[gnu::noinline]] void slow_free(void* object);

    /// own_counts: none yet, or never.
    [[gnu::tls_model("initial-exec")]] inline static thread_local constinit unsigned thread_number =
        own_counts;

    Slub<OwnedCpus>& slub_;
    Cache& cache_;
    RseqCpus& cpus_;
    // Hot: read by every operation.
    RseqLock* locks_;  ///< nullptr: no operation is fast
    std::ptrdiff_t area_;
    std::byte* heads_;
    std::size_t link_;
    std::array<Counts, own_counts + 1> counts_;
};

}  // namespace kmemlab

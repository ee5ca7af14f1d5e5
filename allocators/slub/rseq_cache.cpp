#include "allocators/slub/rseq_cache.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace kmemlab {

void RseqCache::count_shared(std::uint64_t Counts::*which) {
    static std::atomic<unsigned> threads{0};
    thread_local bool asked = false;
    if (!std::exchange(asked, true))
        thread_number = std::min(threads.fetch_add(1, std::memory_order_relaxed), own_counts);
    std::atomic_ref{counts_[thread_number].*which}.fetch_add(1, std::memory_order_relaxed);
}

void* RseqCache::slow_alloc(Gfp gfp) {
    const CpuId cpu = cpus_.lock();
    void* const object = slub_.kmem_cache_alloc(cache_, gfp, cpu);
    cpus_.unlock(cpu);
    return object;
}

void RseqCache::slow_free(void* object) {
    const CpuId cpu = cpus_.lock();
    slub_.kmem_cache_free(cache_, object, cpu);
    cpus_.unlock(cpu);
}

void RseqCache::settle() {
    CpuSlot& slot = cache_.slots[CpuId{0}];
    for (Counts& counts : counts_) {
        slot.count(SlubEvent::alloc_fastpath, std::exchange(counts.allocations, 0));
        slot.count(SlubEvent::free_fastpath, std::exchange(counts.frees, 0));
    }
}

}  // namespace kmemlab

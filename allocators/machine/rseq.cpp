#include "allocators/machine/rseq.hpp"

#include <unistd.h>

#include <algorithm>

namespace kmemlab {
namespace {

/// glibc has registered this thread, hence every one, and no CPU has a number beyond our slots.
bool available([[maybe_unused]] unsigned cpus) {
#if KMEMLAB_HAS_RSEQ && !KMEMLAB_RSEQ_HIDDEN
    if (__rseq_size == 0) return false;
    const auto* const area =
        reinterpret_cast<const rseq*>(static_cast<std::byte*>(__builtin_thread_pointer()) + __rseq_offset);
    if (static_cast<std::int32_t>(area->cpu_id) < 0) return false;
    const long processors = sysconf(_SC_NPROCESSORS_CONF);
    return processors > 0 && static_cast<unsigned long>(processors) <= cpus;
#else
    return false;
#endif
}

/// -1: it is locked.
int lock_here([[maybe_unused]] RseqLock* locks) {
#if KMEMLAB_HAS_RSEQ
    for (;;) {
        std::uint64_t offset;
        asm goto(KMEMLAB_RSEQ_BEGIN
                 "movq %%rcx, %[offset]\n\t"
                 "movl $1, (%[locks], %%rcx)\n\t" KMEMLAB_RSEQ_END
                 : [offset] "=&r"(offset)
                 : [rseq] "r"(__rseq_offset), [locks] "r"(locks)
                 : "rcx", "rdx", "memory", "cc"
                 : fail, again);
        return static_cast<int>(offset / sizeof(RseqLock));
    again:;
    }
fail:
#endif
    return -1;
}

}  // namespace

RseqCpus::RseqCpus(unsigned cpus, bool fallback)
    : locks_{checked_cpu_count(cpus)}, restartable_{!fallback && available(cpus)} {}

std::ptrdiff_t RseqCpus::area() {
#if KMEMLAB_HAS_RSEQ
    return __rseq_offset;
#else
    return 0;
#endif
}

CpuId RseqCpus::lock() {
    for (;;) {
        if (restartable_) {
            const int cpu = lock_here(locks());
            if (cpu >= 0) {
                // As far as compilers and other CPUs go, what follows is behind the lock.
                std::atomic_thread_fence(std::memory_order_acquire);
                return CpuId{static_cast<unsigned>(cpu)};
            }
        } else {
            const auto here = static_cast<unsigned>(std::max(sched_getcpu(), 0)) % locks_.count();
            if (locks_[CpuId{here}].taken.exchange(1, std::memory_order_acquire) == 0) return CpuId{here};
        }
        sched_yield();
    }
}

}  // namespace kmemlab

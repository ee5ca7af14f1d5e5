/// Per-CPU data for programs with more threads than CPUs: restartable sequences.
///
///     thread: | note the section | which CPU? | read its slot | ... | one store: committed |
///                                     ^ preempted, migrated or signalled in between: the kernel lets it
///                                     begin anew
///
/// RseqCpus is a lock for each of the machine's CPUs. Sections below pop from and push onto a list of a CPU's
/// slot with one committing store and no atomic instruction, unless that CPU is locked. Whoever needs more
/// than one store locks the CPU that he is on: that is a section too, whose commit is the lock, so that every
/// section on this CPU that had begun before starts again and finds it. He may be moved to another CPU then;
/// the slot stays his until he unlocks it. Refilling a list in plain code between two sections would lose
/// what others push meanwhile.
///
/// Where glibc has not registered the thread (before 2.35, or GLIBC_TUNABLES=glibc.pthread.rseq=0), on other
/// machines than x86-64 and under ThreadSanitizer, which sees no assembly, the same locks are taken by atomic
/// exchanges, and there are no fast sections. Decided at run time, for the whole process.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocators/machine/cpus.hpp"

#if defined(__x86_64__) && defined(__linux__) && __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define KMEMLAB_HAS_RSEQ 1
#else
#define KMEMLAB_HAS_RSEQ 0
#endif

#if defined(__SANITIZE_THREAD__)
#define KMEMLAB_RSEQ_HIDDEN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KMEMLAB_RSEQ_HIDDEN 1
#endif
#endif
#ifndef KMEMLAB_RSEQ_HIDDEN
#define KMEMLAB_RSEQ_HIDDEN 0
#endif

namespace kmemlab {

/// A word that is 1 while somebody has the CPU's slots to himself.
struct alignas(cache_line_size) RseqLock {
    std::atomic<std::uint32_t> taken{0};
};

class RseqCpus {
  public:
    /// Slots for CPUs 0..cpus-1. With `fallback` no restartable sequence is used even where there are some.
    explicit RseqCpus(unsigned cpus, bool fallback = false);

    /// False: everything goes by atomic exchanges.
    [[nodiscard]] bool restartable() const { return restartable_; }
    [[nodiscard]] RseqLock* locks() { return &locks_[CpuId{0}]; }
    /// Bytes from a thread's pointer to what the kernel and it share; 0 where there are no sections.
    [[nodiscard]] static std::ptrdiff_t area();

    /// Locks a CPU's slots: of the CPU that the thread is on, if it can.
    [[nodiscard]] CpuId lock();
    void unlock(CpuId cpu) { locks_[cpu].taken.store(0, std::memory_order_release); }

  private:
    PerCpu<RseqLock> locks_;
    bool restartable_;
};

#if KMEMLAB_HAS_RSEQ

/// A section's begin: the thread's word says where it is, and %rcx becomes 64 * CPU. Behind it %[locks] +
/// %rcx must be 0. `fail` is where who finds otherwise goes, `again` where the kernel lets an interrupted one
/// go on.
// NOLINTBEGIN(cppcoreguidelines-macro-usage): text of assembly
#define KMEMLAB_RSEQ_ENTER                                                                \
    ".pushsection __rseq_cs, \"aw\"\n\t"                                                  \
    ".balign 32\n\t"                                                                      \
    "3:\n\t.long 0, 0\n\t.quad 1f, (2f - 1f), 4f\n\t"                                     \
    ".popsection\n\t"                                                                     \
    ".pushsection .text.unlikely, \"ax\"\n\t"                                             \
    ".byte 0x0f, 0xb9, 0x3d\n\t.long 0x53053053\n\t" /* RSEQ_SIG, as an operand of ud1 */ \
    "4:\n\tjmp %l[again]\n\t"                                                             \
    ".popsection\n\t"                                                                     \
    "leaq 3b(%%rip), %%rdx\n\t"                                                           \
    "movq %%rdx, %%fs:8(%[rseq])\n\t"                                                     \
    "1:\n\t"                                                                              \
    "movl %%fs:4(%[rseq]), %%ecx\n\t"                                                     \
    "shlq $6, %%rcx\n\t"
#define KMEMLAB_RSEQ_BEGIN KMEMLAB_RSEQ_ENTER "cmpl $0, (%[locks], %%rcx)\n\tjne %l[fail]\n\t"
#define KMEMLAB_RSEQ_END "2:\n\t"
// NOLINTEND(cppcoreguidelines-macro-usage)

/// How many times as far apart as locks slots of `stride` bytes are: 1, 2, 4 or 8, which an address can
/// multiply by.
template <std::size_t stride>
inline constexpr std::size_t rseq_scale = stride / sizeof(RseqLock);

/// Takes the first object off the list whose head is at `heads` + CPU * stride; objects link to the next by
/// the word at `link` bytes. nullptr: the list is empty, or the CPU locked. `area` is __rseq_offset, which
/// code for shared libraries has to ask a table for each time, unless the caller keeps it.
template <std::size_t stride>
[[nodiscard, gnu::always_inline]] inline void* rseq_pop(std::ptrdiff_t area, RseqLock* locks,
                                                        std::byte* heads, std::size_t link) {
    static_assert(rseq_scale<stride> * sizeof(RseqLock) == stride);
    for (;;) {
        void* object;
        asm goto(KMEMLAB_RSEQ_BEGIN
                 "movq (%[heads], %%rcx, %c[scale]), %[object]\n\t"
                 "testq %[object], %[object]\n\t"
                 "je %l[fail]\n\t"
                 "movq (%[object], %[link]), %%rdx\n\t"
                 "movq %%rdx, (%[heads], %%rcx, %c[scale])\n\t" KMEMLAB_RSEQ_END
                 : [object] "=&r"(object)
                 : [rseq] "r"(area), [locks] "r"(locks), [heads] "r"(heads), [scale] "i"(rseq_scale<stride>),
                   [link] "r"(link)
                 : "rcx", "rdx", "memory", "cc"
                 : fail, again);
        if (object == nullptr) __builtin_unreachable();
        return object;
    again:;
    }
fail:
    return nullptr;
}

/// Puts an object on such a list, if it lies in [begin, begin + bytes), which are the two words behind the
/// head. False: it does not, or the CPU is locked.
template <std::size_t stride>
[[nodiscard, gnu::always_inline]] inline bool rseq_push(std::ptrdiff_t area, RseqLock* locks,
                                                        std::byte* heads, std::size_t link, void* object) {
    static_assert(rseq_scale<stride> * sizeof(RseqLock) == stride);
    for (;;) {
        asm goto(KMEMLAB_RSEQ_BEGIN
                 "movq %[object], %%rdx\n\t"
                 "subq 8(%[heads], %%rcx, %c[scale]), %%rdx\n\t"
                 "cmpq 16(%[heads], %%rcx, %c[scale]), %%rdx\n\t"
                 "jae %l[fail]\n\t"
                 "movq (%[heads], %%rcx, %c[scale]), %%rdx\n\t"
                 "movq %%rdx, (%[object], %[link])\n\t"
                 "movq %[object], (%[heads], %%rcx, %c[scale])\n\t" KMEMLAB_RSEQ_END
                 :
                 : [rseq] "r"(area), [locks] "r"(locks), [heads] "r"(heads), [scale] "i"(rseq_scale<stride>),
                   [link] "r"(link), [object] "r"(object)
                 : "rcx", "rdx", "memory", "cc"
                 : fail, again);
        return true;
    again:;
    }
fail:
    return false;
}

/// The least that a section can do, for comparison: pop and push on the list at `heads` + 64 * CPU, linked by
/// the objects' first words, without a look at locks. Push reads and writes the head of the CPU that it is
/// on.
[[nodiscard, gnu::always_inline]] inline void* rseq_bare_pop(std::byte* heads) {
    for (;;) {
        void* object;
        asm goto(KMEMLAB_RSEQ_ENTER
                 "movq (%[heads], %%rcx), %[object]\n\t"
                 "testq %[object], %[object]\n\t"
                 "je %l[fail]\n\t"
                 "movq (%[object]), %%rdx\n\t"
                 "movq %%rdx, (%[heads], %%rcx)\n\t" KMEMLAB_RSEQ_END
                 : [object] "=&r"(object)
                 : [rseq] "r"(__rseq_offset), [heads] "r"(heads)
                 : "rcx", "rdx", "memory", "cc"
                 : fail, again);
        return object;
    again:;
    }
fail:
    return nullptr;
}
[[gnu::always_inline]] inline void rseq_bare_push(std::byte* heads, void* object) {
    for (;;) {
        asm goto(KMEMLAB_RSEQ_ENTER
                 "movq (%[heads], %%rcx), %%rdx\n\t"
                 "movq %%rdx, (%[object])\n\t"
                 "movq %[object], (%[heads], %%rcx)\n\t" KMEMLAB_RSEQ_END
                 :
                 : [rseq] "r"(__rseq_offset), [heads] "r"(heads), [object] "r"(object)
                 : "rcx", "rdx", "memory", "cc"
                 : again);
        return;
    again:;
    }
}

#else

template <std::size_t>
[[nodiscard]] void* rseq_pop(std::ptrdiff_t, RseqLock*, std::byte*, std::size_t) {
    return nullptr;
}
template <std::size_t>
[[nodiscard]] bool rseq_push(std::ptrdiff_t, RseqLock*, std::byte*, std::size_t, void*) {
    return false;
}

#endif

}  // namespace kmemlab

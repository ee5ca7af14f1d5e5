/// Threads of a program and the CPUs that they run on.
///
/// A thread gets a CPU of its own with its first allocation and gives it back when it ends; then nobody else
/// touches that CPU's lists, and its fast paths hold no atomic instruction. The last CPUs are kept for
/// threads that find none free, or that have ended but for their last destructors: they share these, each
/// under a lock for the time of one operation.
///
/// fork(): whoever goes beyond his own CPU's lists does so between begin() and end(), and fork() waits until
/// nobody does. So the child finds everything whole that CPUs share. What the other threads' CPUs kept is
/// lost to it: they may have been in the midst of a fast path.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocators/base/everlasting.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/preload/malloc_classes.hpp"
#include "allocators/sheaves/cache.hpp"

namespace kmemlab {

/// Where a thread without a CPU of its own, or of another allocator, looks for objects: nothing to take, no
/// room to put.
inline constinit Everlasting<std::array<SheafSlot, SheafArea::slots>> nobodys_slots;

/// What the library knows of a thread. As here until its first allocation.
struct Thread {
    SheafSlot* slots = nobodys_slots.value.data();  ///< of slub-sheaves: what its CPU has of each cache
    std::uint8_t fast = 0;  ///< which heap's fast path it may take now (preload/malloc.hpp); 0: none
    bool inside = false;    ///< beyond the fast paths: what it allocates now is our own
    bool owns_cpu = false;
    bool ended = false;      ///< its CPU went back
    CpuId cpu;               ///< its own
    std::atomic<bool> busy;  ///< between begin() and end()
    Thread* next = nullptr;  ///< in the list of those with a CPU
    Thread* before = nullptr;
};

class Threads {
  public:
    using Leave = void (*)(CpuId);

    /// CPUs from 0 on, the last few of them for all. `leave` is called for the CPU of a thread that ends.
    void start(unsigned cpus, Leave leave);

    /// Afterwards nobody forks until end(), and the thread is alone on the CPU that this returns.
    [[nodiscard]] CpuId begin(Thread& self);
    void end(Thread& self, CpuId cpu);

    // Around fork(), by the thread that forks; also around what needs everybody else outside.
    void before_fork(Thread& self);
    void after_fork_in_parent();
    void after_fork_in_child(Thread& self);

  private:
    static void thread_ends(void* thread);
    void enter_gate(Thread& self);
    bool take_cpu(Thread& self);
    void give_cpu(Thread& self);
    void link(Thread& self);

    SpinLock list_lock_;  ///< list_ and free_cpus_
    Thread* list_ = nullptr;
    std::array<std::uint8_t, max_cpus> free_cpus_{};
    unsigned free_count_ = 0;

    unsigned first_shared_ = 0;
    unsigned shared_count_ = 0;
    std::array<SpinLock, max_cpus> shared_locks_;

    std::atomic<Thread*> forking_{nullptr};
    std::atomic<unsigned> strangers_{0};  ///< threads without a CPU of their own that are inside
    pthread_key_t key_{};
    Leave leave_ = nullptr;
};

}  // namespace kmemlab

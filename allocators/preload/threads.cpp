#include "allocators/preload/threads.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

namespace kmemlab {
namespace {

/// There is one; the destructor of thread-specific data gets no other argument than the thread.
Threads* all_threads = nullptr;

}  // namespace

void Threads::start(unsigned cpus, Leave leave) {
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const auto wanted = static_cast<unsigned>(std::clamp(processors, 1L, 16L));
    shared_count_ = std::clamp(cpus / 2, 1U, wanted);
    first_shared_ = cpus - shared_count_;
    // Descending, so that the lowest is taken first.
    for (unsigned cpu = first_shared_; cpu-- > 0;) free_cpus_[free_count_++] = static_cast<std::uint8_t>(cpu);
    leave_ = leave;
    all_threads = this;
    pthread_key_create(&key_, thread_ends);
}

void Threads::enter_gate(Thread& self) {
    for (;;) {
        const bool known = self.owns_cpu;
        if (known)
            self.busy.store(true, std::memory_order_seq_cst);
        else
            strangers_.fetch_add(1, std::memory_order_seq_cst);
        const Thread* const forking = forking_.load(std::memory_order_seq_cst);
        if (forking == nullptr || forking == &self) return;
        if (known)
            self.busy.store(false, std::memory_order_release);
        else
            strangers_.fetch_sub(1, std::memory_order_release);
        while (forking_.load(std::memory_order_acquire) != nullptr) sched_yield();
    }
}

CpuId Threads::begin(Thread& self) {
    enter_gate(self);
    if (self.owns_cpu) return self.cpu;
    if (!self.ended && take_cpu(self)) {
        strangers_.fetch_sub(1, std::memory_order_release);
        return self.cpu;
    }
    const int here = sched_getcpu();
    const unsigned shared = static_cast<unsigned>(std::max(here, 0)) % shared_count_;
    shared_locks_[shared].lock();
    return CpuId{first_shared_ + shared};
}

void Threads::end(Thread& self, CpuId cpu) {
    if (self.owns_cpu) return self.busy.store(false, std::memory_order_release);
    shared_locks_[cpu.value() - first_shared_].unlock();
    strangers_.fetch_sub(1, std::memory_order_release);
}

bool Threads::take_cpu(Thread& self) {
    {
        const std::lock_guard guard{list_lock_};
        if (free_count_ == 0) return false;
        self.cpu = CpuId{free_cpus_[--free_count_]};
        self.owns_cpu = true;
        self.busy.store(true, std::memory_order_relaxed);
        link(self);
    }
    pthread_setspecific(key_, &self);
    return true;
}

void Threads::link(Thread& self) {
    self.before = nullptr;
    self.next = list_;
    if (list_ != nullptr) list_->before = &self;
    list_ = &self;
}

void Threads::thread_ends(void* thread) {
    all_threads->give_cpu(*static_cast<Thread*>(thread));
}

void Threads::give_cpu(Thread& self) {
    self.fast = 0;
    self.inside = true;
    enter_gate(self);
    leave_(self.cpu);
    {
        const std::lock_guard guard{list_lock_};
        (self.before == nullptr ? list_ : self.before->next) = self.next;
        if (self.next != nullptr) self.next->before = self.before;
        free_cpus_[free_count_++] = static_cast<std::uint8_t>(self.cpu.value());
        self.owns_cpu = false;
        self.ended = true;
        self.busy.store(false, std::memory_order_release);
    }
    self.inside = false;
}

void Threads::before_fork(Thread& self) {
    Thread* nobody = nullptr;
    while (!forking_.compare_exchange_weak(nobody, &self, std::memory_order_seq_cst)) {
        nobody = nullptr;
        sched_yield();
    }
    // Those inside may wait for the list.
    for (bool quiet = false; !quiet;) {
        {
            const std::lock_guard guard{list_lock_};
            quiet = strangers_.load(std::memory_order_seq_cst) == 0;
            for (const Thread* t = list_; t != nullptr && quiet; t = t->next)
                quiet = !t->busy.load(std::memory_order_seq_cst);
        }
        if (!quiet) sched_yield();
    }
}

void Threads::after_fork_in_parent() {
    forking_.store(nullptr, std::memory_order_release);
}

void Threads::after_fork_in_child(Thread& self) {
    list_ = nullptr;
    if (self.owns_cpu) link(self);
    forking_.store(nullptr, std::memory_order_release);
}

}  // namespace kmemlab

/// CPUs. Every call of an allocator says on which CPU it runs, and whoever runs on a CPU has that CPU's
/// slot to itself, as between get_cpu() and put_cpu() in a kernel. How that comes true is the context, a
/// policy that allocators take as a template parameter:
///
///  - OwnedCpus: each worker thread owns one CPU (or one thread drives several, one operation after the
///    other). A fast path needs no atomic instruction. What crosses CPUs takes real locks and atomics.
///  - SimulatedCpus: one thread plays all CPUs. At marked points a schedule may run operations of other
///    CPUs before the interrupted one goes on: deterministic and replayable.
///
/// A context gives: count(), alone(), Lock, take(Lock&), `preemptible` and point(Point, CpuId).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

#include "allocators/base/check.hpp"
#include "allocators/base/units.hpp"

namespace kmemlab {

/// Where a schedule may switch to another CPU.
enum class Point : std::uint8_t {
    shared_word,  ///< before a word that other CPUs change is read or exchanged
    lock,         ///< before a lock is taken
    commit,       ///< between preparing a change of the CPU's own slot and making it
};

/// A lock for threads: spins, and yields when the holder seems not to run.
class SpinLock {
  public:
    [[gnu::always_inline]] void lock() {
        while (taken_.exchange(true, std::memory_order_acquire)) wait();
        ++acquisitions_;
    }
    /// For whoever has the only CPU, and therefore never meets anybody: no atomic exchange.
    [[gnu::always_inline]] void lock_alone() {
        if (taken_.load(std::memory_order_relaxed))
            check_failed("the only CPU takes a lock that it holds", __FILE__, __LINE__);
        taken_.store(true, std::memory_order_relaxed);
        ++acquisitions_;
    }
    void unlock() { taken_.store(false, std::memory_order_release); }
    /// How often it was taken. Call without contention.
    [[nodiscard]] std::uint64_t acquisitions() const { return acquisitions_; }

  private:
    [[gnu::noinline]] void wait() const {
        for (int spins = 0; taken_.load(std::memory_order_relaxed); ++spins) {
            if (spins > 64) std::this_thread::yield();
        }
    }

    std::atomic<bool> taken_{false};
    std::uint64_t acquisitions_ = 0;
};

/// A lock for one thread that plays all CPUs: counts, and proves that nobody waits for himself (C2).
class SimulatedLock {
  public:
    void lock() {
        if (taken_) check_failed("a simulated CPU takes a lock that is held", __FILE__, __LINE__);
        taken_ = true;
        ++acquisitions_;
    }
    void unlock() { taken_ = false; }
    [[nodiscard]] std::uint64_t acquisitions() const { return acquisitions_; }

  private:
    bool taken_ = false;
    std::uint64_t acquisitions_ = 0;
};

/// The number of CPUs, 1..256. Throws UsageError outside.
[[nodiscard]] inline unsigned checked_cpu_count(std::uint64_t count) {
    if (count < 1 || count > max_cpus) {
        throw UsageError::of("cpus: {} is not between 1 and {}", count, max_cpus);
    }
    return static_cast<unsigned>(count);
}

class OwnedCpus {
  public:
    using Lock = SpinLock;
    static constexpr bool preemptible = false;

    explicit OwnedCpus(std::uint64_t count = 1) : count_{checked_cpu_count(count)} {}
    [[nodiscard]] unsigned count() const { return count_; }
    void point(Point, CpuId) const {}
    /// Nobody else can be inside: as in a kernel for one processor, no exchange needs to be atomic.
    [[nodiscard]] bool alone() const { return count_ == 1; }
    [[gnu::always_inline]] void take(Lock& lock) const {
        if (alone()) {
            lock.lock_alone();
        } else {
            lock.lock();
        }
    }

  private:
    unsigned count_;
};

/// Decides at each marked point what happens before the interrupted operation goes on: typically it runs
/// whole operations on other CPUs. It must not touch the CPU `running`, whose slot is in use, but at
/// Point::commit: there another task may preempt the one that runs, and the transaction number tells (U6).
class Schedule {
  public:
    virtual ~Schedule() = default;
    virtual void at(Point point, CpuId running) = 0;
};

class SimulatedCpus {
  public:
    using Lock = SimulatedLock;
    static constexpr bool preemptible = true;

    explicit SimulatedCpus(std::uint64_t count = 1, Schedule* schedule = nullptr)
        : count_{checked_cpu_count(count)}, schedule_{schedule} {}
    [[nodiscard]] unsigned count() const { return count_; }
    void point(Point point, CpuId running) {
        if (schedule_ != nullptr) schedule_->at(point, running);
    }
    [[nodiscard]] bool alone() const { return true; }
    void take(Lock& lock) const { lock.lock(); }
    void follow(Schedule* schedule) { schedule_ = schedule; }

  private:
    unsigned count_;
    Schedule* schedule_;
};

/// Adds to a counter that is changed under a lock, which the caller has, and read without: nothing can come
/// between, so this is no atomic addition.
template <class T>
void add_locked(std::atomic<T>& counter, std::int64_t change) {
    counter.store(counter.load(std::memory_order_relaxed) + static_cast<T>(change),
                  std::memory_order_relaxed);
}

/// Adds to a counter that any CPU changes at any time. `alone` (a context says it): nobody else does.
template <class T>
void add_shared(std::atomic<T>& counter, std::int64_t change, bool alone) {
    if (alone) return add_locked(counter, change);
    counter.fetch_add(static_cast<T>(change), std::memory_order_relaxed);
}

/// Takes a lock for a scope; the schedule may strike before it is taken, never while it is held.
template <class Cpus>
class [[nodiscard]] LockGuard {
  public:
    [[gnu::always_inline]] LockGuard(Cpus& cpus, typename Cpus::Lock& lock, CpuId cpu) : lock_{lock} {
        cpus.point(Point::lock, cpu);
        cpus.take(lock_);
    }
    ~LockGuard() { lock_.unlock(); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

  private:
    typename Cpus::Lock& lock_;
};

/// One T per CPU, each on cache lines of its own.
template <class T>
class PerCpu {
  public:
    explicit PerCpu(unsigned cpus) : slots_{std::make_unique<Slot[]>(cpus)}, count_{cpus} {}

    [[nodiscard]] T& operator[](CpuId cpu) { return slots_[cpu.value()].value; }
    [[nodiscard]] const T& operator[](CpuId cpu) const { return slots_[cpu.value()].value; }
    [[nodiscard]] unsigned count() const { return count_; }
    [[nodiscard]] std::size_t metadata_bytes() const { return count_ * sizeof(Slot); }

  private:
    struct alignas(cache_line_size) Slot {
        T value{};
    };

  public:
    /// Bytes from one CPU's to the next one's.
    static constexpr std::size_t stride = sizeof(Slot);

  private:
    std::unique_ptr<Slot[]> slots_;
    unsigned count_;
};

}  // namespace kmemlab

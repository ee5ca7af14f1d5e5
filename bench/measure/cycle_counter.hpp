/// CycleCounter: the finest clock of the machine, for intervals of a few nanoseconds.
///
///     x86-64    lfence; rdtsc       the operation       rdtscp; lfence
///     aarch64   isb; cntvct_el0     the operation       isb; cntvct_el0
///     others    clock_gettime(CLOCK_MONOTONIC)
///
/// The fences keep instructions of the operation inside and those around it outside. Reading twice costs
/// time itself: TimerCost says how much, to be subtracted from each sample, never below 0.
#pragma once

#include <cstdint>
#include <string_view>

#if defined(__x86_64__)
#include <x86intrin.h>
#elif !defined(__aarch64__)
#include <ctime>
#endif

namespace kmemlab {

class CycleCounter {
  public:
#if defined(__x86_64__)
    static constexpr std::string_view name = "tsc";
    [[nodiscard]] static std::uint64_t begin() {
        _mm_lfence();
        const std::uint64_t ticks = __rdtsc();
        _mm_lfence();
        return ticks;
    }
    [[nodiscard]] static std::uint64_t end() {
        unsigned processor = 0;
        const std::uint64_t ticks = __rdtscp(&processor);
        _mm_lfence();
        return ticks;
    }
#elif defined(__aarch64__)
    static constexpr std::string_view name = "cntvct_el0";
    [[nodiscard]] static std::uint64_t begin() {
        return read();
    }
    [[nodiscard]] static std::uint64_t end() {
        return read();
    }
#else
    static constexpr std::string_view name = "clock_gettime";
    [[nodiscard]] static std::uint64_t begin() {
        return read();
    }
    [[nodiscard]] static std::uint64_t end() {
        return read();
    }
#endif

#if !defined(__x86_64__)
  private:
    static std::uint64_t read() {
#if defined(__aarch64__)
        std::uint64_t ticks = 0;
        asm volatile("isb; mrs %0, cntvct_el0; isb" : "=r"(ticks)::"memory");
        return ticks;
#else
        timespec now{};
        clock_gettime(CLOCK_MONOTONIC, &now);
        return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
               static_cast<std::uint64_t>(now.tv_nsec);
#endif
    }
#endif
};

/// What a tick is worth, and what an empty interval costs.
struct TimerCost {
    std::string_view name = CycleCounter::name;
    double ns_per_tick = 1.0;
    std::uint64_t overhead_ticks = 0;  ///< median of empty intervals

    /// Ticks of the operation alone.
    [[nodiscard]] std::uint64_t net(std::uint64_t ticks) const {
        return ticks > overhead_ticks ? ticks - overhead_ticks : 0;
    }
    [[nodiscard]] double nanoseconds(std::uint64_t ticks) const {
        return static_cast<double>(ticks) * ns_per_tick;
    }
};

/// Compares the counter with CLOCK_MONOTONIC over about 20 ms, and times empty intervals.
[[nodiscard]] TimerCost calibrate_timer();

/// Nanoseconds of CLOCK_MONOTONIC, for intervals of milliseconds.
[[nodiscard]] std::uint64_t monotonic_ns();

/// Binds the calling thread to the CPU it runs on (or to `cpu` if that is 0 or more), so that caches stay
/// warm and counters agree. Returns the CPU, or -1 if the machine refuses.
int pin_thread(int cpu = -1);

}  // namespace kmemlab

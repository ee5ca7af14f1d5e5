#include "bench/measure/cycle_counter.hpp"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace kmemlab {
namespace {

std::uint64_t median_of_empty_intervals() {
    std::vector<std::uint64_t> samples(20'001);
    for (std::uint64_t& sample : samples) {
        const std::uint64_t begin = CycleCounter::begin();
        sample = CycleCounter::end() - begin;
    }
    const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    std::nth_element(samples.begin(), middle, samples.end());
    return *middle;
}

double nanoseconds_per_tick() {
    constexpr std::uint64_t span_ns = 20'000'000;
    const std::uint64_t first_ns = monotonic_ns();
    const std::uint64_t first_ticks = CycleCounter::begin();
    while (monotonic_ns() - first_ns < span_ns) {
    }
    const std::uint64_t last_ns = monotonic_ns();
    const std::uint64_t last_ticks = CycleCounter::begin();
    return static_cast<double>(last_ns - first_ns) / static_cast<double>(last_ticks - first_ticks);
}

}  // namespace

std::uint64_t monotonic_ns() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

TimerCost calibrate_timer() {
    TimerCost cost;
    cost.ns_per_tick = nanoseconds_per_tick();
    cost.overhead_ticks = median_of_empty_intervals();
    return cost;
}

int pin_thread(int cpu) {
    const int target = cpu >= 0 ? cpu : sched_getcpu();
    if (target < 0) return -1;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(target), &set);
    return sched_setaffinity(0, sizeof set, &set) == 0 ? target : -1;
}

}  // namespace kmemlab

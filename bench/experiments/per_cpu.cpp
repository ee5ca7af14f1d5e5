#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "allocators/machine/cpus.hpp"
#include "bench/experiments/experiments.hpp"
#include "bench/measure/cycle_counter.hpp"
#include "bench/scale/scale.hpp"

namespace kmemlab::experiments {
namespace {

constexpr unsigned threads = 2;
constexpr std::uint64_t increments = 2'000'000;

/// Each thread, which stands for a CPU, counts by `increment`; nanoseconds for one increment.
template <class Increment>
double time_increments(Increment increment) {
    std::atomic<unsigned> ready{0};
    const auto work = [&](CpuId cpu) {
        ++ready;
        while (ready < threads) std::this_thread::yield();
        for (std::uint64_t i = 0; i < increments; ++i) increment(cpu);
    };
    const std::uint64_t begin = monotonic_ns();
    std::vector<std::thread> running;
    for (CpuId cpu{0}; cpu.value() < threads; ++cpu) running.emplace_back(work, cpu);
    for (std::thread& thread : running) thread.join();
    return static_cast<double>(monotonic_ns() - begin) / static_cast<double>(increments);
}

/// A store that the compiler must make each time, without a lock prefix.
void add_plainly(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void count_in_threads(Outcome& outcome) {
    constexpr std::uint64_t all = threads * increments;
    PerCpu<std::atomic<std::uint64_t>> slots{threads};
    std::vector<std::atomic<std::uint64_t>> packed(threads);
    std::atomic<std::uint64_t> shared{0};
    const double own = time_increments([&](CpuId cpu) { add_plainly(slots[cpu]); });
    const double neighbours = time_increments([&](CpuId cpu) { add_plainly(packed[cpu.value()]); });
    const double one = time_increments([&](CpuId) { shared.fetch_add(1); });
    outcome.expect_equal("counted in slots, nothing locked", slots[CpuId{0}] + slots[CpuId{1}], all);
    outcome.expect_equal("counted in one word, by atomic additions", shared.load(), all);
    const auto ns = [](double time) { return fmt::format("{:.2f} ns", time); };
    outcome.note("an increment in a slot of its own", ns(own));
    outcome.note("in slots that share a cache line", ns(neighbours));
    outcome.note("in one word", ns(one));
}

void count_lines(Outcome& outcome) {
    PerCpu<std::uint64_t> slots{max_cpus};
    std::set<std::uintptr_t> lines;
    for (CpuId cpu{0}; cpu.value() < max_cpus; ++cpu)
        lines.insert(reinterpret_cast<std::uintptr_t>(&slots[cpu]) / cache_line_size);
    outcome.expect_equal("cache lines of 256 slots", lines.size(), std::size_t{max_cpus});
}

/// Each CPU takes and frees an object, many times.
void count_in_allocator(Outcome& outcome) {
    constexpr unsigned cpus = 64;
    constexpr std::uint64_t rounds = 100;
    std::vector<scale::Step> steps;
    std::uint32_t object = 0;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        for (CpuId cpu{0}; cpu.value() < cpus; ++cpu) {
            steps.push_back({true, cpu, object});
            steps.push_back({false, cpu, object++});
        }
    }
    const scale::Row row = scale::count("slub", steps, cpus, 64);
    outcome.expect_equal("slub, 64 CPUs: allocations from the CPU's slab", row.allocated_by(Path::fast),
                         cpus * (rounds - 1));
    outcome.expect_equal("slub, 64 CPUs: the first of each CPU, by a new slab",
                         row.allocated_by(Path::new_slab), std::uint64_t{cpus});
    outcome.expect_equal("slub, 64 CPUs: frees to the CPU's slab", row.freed_by(Path::fast), cpus * rounds);
    outcome.expect_equal("slub, 64 CPUs: locks of the node", row.allocation_node_locks + row.free_node_locks,
                         std::uint64_t{0});
}

}  // namespace

Outcome per_cpu(const Options&) {
    Outcome outcome{
        "A variable of which each CPU has its own copy: it is changed without a lock, and its cache line "
        "does\n"
        "not travel between CPUs.",
        "Whoever runs on a CPU between get_cpu and put_cpu has that CPU's slot to itself, so nothing need "
        "be\n"
        "atomic. Slots lie on lines of their own: on one line each store would take the line away from the\n"
        "others, though nobody shares data (false sharing; store buffers hide some of it, other machines\n"
        "less). The allocators' fast paths stand on this. The counts are the test;\n"
        "times depend on the machine, and on a machine with one CPU they tell nothing."};
    count_lines(outcome);
    count_in_threads(outcome);
    count_in_allocator(outcome);
    return outcome;
}

}  // namespace kmemlab::experiments

// mmu_speed: how fast SoftMmu translates, beside a walk through a plain array by the same pages. Google
// Benchmark's own options; items_per_second are translations. As a test it runs for a moment only: no time
// decides.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "allocators/mmu/soft_mmu.hpp"

using namespace kmemlab;

namespace {

constexpr CpuId cpu{0};

std::vector<Pfn> frames(std::uint64_t count) {
    std::vector<Pfn> all;
    for (std::uint64_t i = 0; i < count; ++i) all.push_back(Pfn{i});
    return all;
}

/// Pages below `pages`, in order or at random; the seed is fixed.
std::vector<std::uint64_t> order_of(std::uint64_t pages, bool random) {
    std::vector<std::uint64_t> order(std::size_t{1} << 18);
    std::uint64_t seed = 1;
    for (std::size_t i = 0; i < order.size(); ++i) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        order[i] = random ? (seed >> 33) % pages : i % pages;
    }
    return order;
}

void translate(benchmark::State& state, const TlbGeometry& tlb, bool random) {
    const auto pages = static_cast<std::uint64_t>(state.range(0));
    Arena arena{pages << page_shift};
    SoftMmu mmu{arena, {.tlb = tlb}};
    const VirtAddr base = mmu.window().begin;
    if (!mmu.map(base, frames(pages), cpu)) return state.SkipWithError("nothing was mapped");
    const auto order = order_of(pages, random);
    for (auto _ : state) {
        for (const std::uint64_t page : order)
            benchmark::DoNotOptimize(mmu.touch(base.plus_pages(page), cpu));
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(order.size()));
    const TlbCounts counts = mmu.tlb_counts();
    const auto all = static_cast<double>(counts.translations());
    state.counters["l1"] = static_cast<double>(counts.l1_hits) / all;
    state.counters["l2"] = static_cast<double>(counts.l2_hits) / all;
    state.counters["steps"] = static_cast<double>(counts.walk_steps) / all;
}

void array(benchmark::State& state, bool random) {
    const auto pages = static_cast<std::uint64_t>(state.range(0));
    const auto flat = frames(pages);
    const auto order = order_of(pages, random);
    for (auto _ : state) {
        for (const std::uint64_t page : order) {
            Pfn frame = flat[page];
            benchmark::DoNotOptimize(frame);
        }
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(order.size()));
}

void register_all() {
    const std::vector<std::int64_t> sizes{32, 1000, 100000};
    for (const bool random : {false, true}) {
        const std::string way = random ? "/random" : "/in_order";
        const auto plain = [random](benchmark::State& state) { array(state, random); };
        benchmark::RegisterBenchmark(("array" + way).c_str(), plain)->ArgsProduct({sizes});
        for (const TlbGeometry& tlb : known_tlbs()) {
            const auto soft = [tlb, random](benchmark::State& state) { translate(state, tlb, random); };
            benchmark::RegisterBenchmark((tlb.name + way).c_str(), soft)->ArgsProduct({sizes});
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    register_all();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

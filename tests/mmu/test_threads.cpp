// Threads that own a CPU each, in one MMU: what each maps, it alone reads.
#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "allocators/mmu/host_mmu.hpp"
#include "allocators/mmu/soft_mmu.hpp"

using namespace kmemlab;

namespace {

constexpr unsigned threads = 4;
constexpr std::uint64_t region = 64;

/// Maps, writes, reads and unmaps areas in a part of the window; flushes all of the window at times.
template <class M>
void work(M& mmu, const Arena& arena, CpuId cpu, std::atomic<int>& wrong) {
    std::uint64_t seed = cpu.value() + 1;
    const VirtAddr base = mmu.window().begin.plus_pages(region * cpu.value());
    for (int round = 0; round < 400; ++round) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        const std::uint64_t count = 1 + (seed >> 40) % (region - 1);
        std::vector<Pfn> frames;
        for (std::uint64_t i = 0; i < count; ++i) {
            frames.push_back(arena.start() + region * cpu.value() + (i * 7 + (seed >> 50)) % region);
        }
        if (!mmu.map(base, frames, cpu)) ++wrong;
        const VirtAddr last = base.plus_pages(count - 1);
        std::uint64_t value = 0;
        if (!mmu.write(last, std::as_bytes(std::span{&seed, 1}), cpu)) ++wrong;
        if (!mmu.read(last, std::as_writable_bytes(std::span{&value, 1}), cpu) || value != seed) ++wrong;
        mmu.unmap(base, count, cpu);
        const bool all = round % 16 == 0;
        mmu.flush(all ? mmu.window().begin : base, all ? mmu.window().end : base.plus_pages(region), cpu);
        if (mmu.touch(last, cpu)) ++wrong;
    }
}

template <class M>
void run(M& mmu, const Arena& arena) {
    std::atomic<int> wrong{0};
    std::vector<std::thread> workers;
    for (unsigned cpu = 0; cpu < threads; ++cpu) {
        workers.emplace_back([&, cpu] { work(mmu, arena, CpuId{cpu}, wrong); });
    }
    for (std::thread& worker : workers) worker.join();
    CHECK(wrong == 0);
    CHECK(mmu.stats().mapped_pages == 0);
    const auto violation = mmu.find_violation();
    CHECK((violation ? violation->message() : "") == "");
}

}  // namespace

TEST_CASE("threads that make windows at once get places of their own") {
    std::array<std::vector<std::unique_ptr<HostWindow>>, threads> made;
    std::vector<std::thread> workers;
    for (auto& mine : made) {
        workers.emplace_back([&mine] {
            for (int i = 0; i < 20; ++i) mine.push_back(std::make_unique<HostWindow>(order_1g.bytes()));
        });
    }
    for (std::thread& worker : workers) worker.join();
    std::vector<AddressRange> ranges;
    for (const auto& mine : made) {
        for (const auto& window : mine) ranges.push_back(window->range());
    }
    std::sort(ranges.begin(), ranges.end(), [](auto a, auto b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < ranges.size(); ++i) CHECK(ranges[i - 1].end < ranges[i].begin);
}

TEST_CASE("threads share a page table and flush each other's TLBs") {
    Arena arena{std::size_t{4} << 20};
    SoftMmu mmu{arena, {.cpus = threads}};
    run(mmu, arena);
    CHECK(mmu.stats().ipis == mmu.stats().flushes * (threads - 1));
    CHECK(mmu.tlb_counts().stale_uses == 0);
}

TEST_CASE("threads share a window of real mappings") {
    Arena arena{std::size_t{4} << 20};
    const auto way = GENERATE(HostWindow::Way::hole, HostWindow::Way::kept);
    HostMmu mmu{arena, {.window_bytes = std::size_t{1} << 30, .way = way}};
    run(mmu, arena);
    CHECK(mmu.stats().mappings == 1);
}

// Real threads, each owning one CPU, in one address space. Run under ThreadSanitizer to prove C5.
#include <catch2/catch.hpp>

#include <thread>
#include <vector>

#include "allocators/vmalloc/vmap_space.hpp"

using namespace kmemlab;

TEST_CASE("threads take, free and purge areas, and no two ever have the same address") {
    constexpr unsigned threads = 4;
    constexpr AddressRange window{VirtAddr{0xffffc90000000000}, VirtAddr{0xffffe8ffffffffff}};
    OwnedCpus cpus{threads};
    VmapSpace<OwnedCpus> space{cpus, 500, [](std::uint64_t, std::uint64_t, CpuId) {}};
    const auto work = [&](CpuId cpu) {
        std::uint64_t x = 7 + cpu.value();
        std::vector<VmapArea*> live;
        for (int i = 0; i < 3000; ++i) {
            x = x * 6364136223846793005 + 1442695040888963407;
            if (live.size() < 20 || (x >> 60) < 8) {
                live.push_back(space.alloc((1 + (x >> 33) % 9) * page_size, page_size, window, cpu));
            } else {
                std::swap(live[(x >> 33) % live.size()], live.back());
                if (space.free_lazily(live.back(), cpu)) space.purge(cpu);
                live.pop_back();
            }
        }
        for (VmapArea* area : live) (void)space.free_lazily(area, cpu);
    };
    std::vector<std::thread> running;
    for (unsigned c = 0; c < threads; ++c) running.emplace_back(work, CpuId{c});
    for (std::thread& thread : running) thread.join();
    const auto violation = space.find_violation();
    CHECK((violation ? violation->message() : "") == "");
    space.purge(CpuId{0});
    CHECK(space.free().count() == 1);
}

// Real threads, each owning one CPU, in one address space. Run under ThreadSanitizer to prove C5.
#include <catch2/catch.hpp>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocators/vmalloc/vmap_space.hpp"

using namespace kmemlab;

namespace {

/// All free again after threads took, freed and purged areas, or what is wrong.
std::string areas_after_threads(unsigned most_nodes) {
    constexpr unsigned threads = 4;
    constexpr AddressRange window{VirtAddr{0xffffc90000000000}, VirtAddr{0xffffe8ffffffffff}};
    OwnedCpus cpus{threads};
    VmapSpace<OwnedCpus> space{cpus, 500, [](std::uint64_t, std::uint64_t, CpuId) {}, most_nodes};
    std::atomic<unsigned> lost{0};
    const auto work = [&](CpuId cpu) {
        std::uint64_t x = 7 + cpu.value();
        std::vector<VmapArea*> live;
        for (int i = 0; i < 3000; ++i) {
            x = x * 6364136223846793005 + 1442695040888963407;
            if (live.size() < 20 || (x >> 60) < 8) {
                live.push_back(space.alloc((1 + (x >> 33) % 9) * page_size, page_size, window, cpu));
            } else {
                std::swap(live[(x >> 33) % live.size()], live.back());
                lost += space.find_busy(live.back()->end - 1, cpu) == live.back() ? 0 : 1;
                if (space.free_lazily(live.back(), cpu)) space.purge(cpu);
                live.pop_back();
            }
        }
        for (VmapArea* area : live) (void)space.free_lazily(area, cpu);
    };
    std::vector<std::thread> running;
    for (unsigned c = 0; c < threads; ++c) running.emplace_back(work, CpuId{c});
    for (std::thread& thread : running) thread.join();
    if (lost > 0) return "an area was not found by its address";
    if (const auto violation = space.find_violation()) return violation->message();
    space.purge(CpuId{0});
    space.drain_pools(CpuId{0});
    return space.free().count() == 1 ? "" : "something is not free again";
}

}  // namespace

TEST_CASE("threads take, free and purge areas, and no two ever have the same address") {
    for (const unsigned most_nodes : {1U, most_vmap_nodes}) {
        CAPTURE(most_nodes);
        CHECK(areas_after_threads(most_nodes) == "");
    }
}

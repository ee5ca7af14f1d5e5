// Laws that hold between searches, purges and translations: each broken inside, and named.
#include <catch2/catch.hpp>

#include <array>
#include <vector>

#include "allocators/mmu/soft_mmu.hpp"
#include "allocators/vmalloc/inside.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using test::BumpPages;

namespace {

constexpr CpuId cpu{0};

struct Machine {
    explicit Machine(const VmallocConfig& config = {}) : vm{pages, mmu, cpus, config, log} {}

    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    SoftMmu mmu{arena};
    OwnedCpus cpus{1};
    MisuseLog log;
    Vmalloc<OwnedCpus, SoftMmu> vm;

    [[nodiscard]] VmapSpace<OwnedCpus>& space() { return Vmalloc<OwnedCpus, SoftMmu>::Inside::space(vm); }
};

template <class T>
std::string law_of(const T& checked) {
    const auto found = checked.find_violation();
    return found ? std::string{found->law} : "";
}

constexpr AddressRange small{VirtAddr{0xffffc90000000000}, VirtAddr{0xffffc90000000000 + 200 * page_size}};

struct Space {
    OwnedCpus cpus{1};
    VmapSpace<OwnedCpus> space{cpus, 1000, [](std::uint64_t, std::uint64_t, CpuId) {}};
    [[nodiscard]] VmapArea* alloc(std::uint64_t pages, std::uint64_t align_pages = 1) {
        return space.alloc(pages * page_size, align_pages * page_size, small, cpu);
    }
};

}  // namespace

TEST_CASE("V8: a request that was refused although a free area fits it is named") {
    Space s;
    std::vector<VmapArea*> areas;
    for (int i = 0; i < 20; ++i) areas.push_back(s.alloc(10));
    for (const std::size_t i : {3U, 6U, 9U, 12U, 15U, 16U}) s.space.free_at_once(areas[i], cpu);
    AreaTree& free = VmapSpace<OwnedCpus>::Inside::free(s.space);
    // The search is misled: no subtree promises anything, so only the root is looked at.
    std::vector<std::pair<VmapArea*, std::uint64_t>> promises;
    for (VmapArea* area = free.first(); area != nullptr; area = AreaTree::next(area)) {
        promises.emplace_back(area, area->largest);
        area->largest = 0;
    }
    REQUIRE(free.root()->size() != 20 * page_size);
    REQUIRE(s.alloc(20) == nullptr);
    for (const auto& [area, largest] : promises) area->largest = largest;
    CHECK(law_of(s.space) == "V8");
}

TEST_CASE("V8: refusals that are right are not named, whatever the alignment") {
    Space s;
    std::vector<VmapArea*> live;
    std::uint64_t x = 7;
    const auto draw = [&](std::uint64_t below) { return (x ^= x << 13, x ^= x >> 7, x ^= x << 17) % below; };
    unsigned refused = 0;
    for (int i = 0; i < 20'000; ++i) {
        if (live.empty() || draw(100) < 55) {
            VmapArea* const area = s.alloc(1 + draw(20), std::uint64_t{1} << draw(5));
            if (area != nullptr) live.push_back(area);
            refused += area == nullptr ? 1 : 0;
        } else {
            std::swap(live[draw(live.size())], live.back());
            (void)s.space.free_lazily(live.back(), cpu);
            live.pop_back();
        }
        if (i % 500 == 0) REQUIRE(law_of(s.space).empty());
    }
    CHECK(refused > 1000);
    CHECK(law_of(s.space).empty());
}

TEST_CASE("V12: an area that should have huge leaves and has small ones is named") {
    Machine m;
    const VirtAddr at = *m.vm.vmalloc_huge(order_2m.bytes(), GFP_KERNEL, cpu);
    REQUIRE(m.mmu.stats().huge_leaves == 1);
    REQUIRE(law_of(m.vm).empty());
    std::vector<Pfn> frames;
    for (std::uint64_t i = 0; i < order_2m.pages(); ++i) frames.push_back(*m.mmu.frame_of(at.plus_pages(i)));
    m.mmu.unmap(at, frames.size(), cpu);
    m.mmu.flush(at, at.plus_pages(frames.size()), cpu);
    REQUIRE(m.mmu.map(at, frames, cpu));  // the same translations, so that V5 holds
    CHECK(law_of(m.vm) == "V12");
}

TEST_CASE("V15: more lazy pages than may wait are named") {
    Machine m{{.lazy_max_pages = 10}};
    std::array<VmapArea*, 2> areas{};
    for (VmapArea*& area : areas) area = m.space().alloc(6 * page_size, page_size, m.mmu.window(), cpu);
    CHECK_FALSE(m.space().free_lazily(areas[0], cpu));
    CHECK(law_of(m.vm).empty());
    CHECK(m.space().free_lazily(areas[1], cpu));  // and nobody purges
    CHECK(law_of(m.vm) == "V15");
    m.vm.drain(cpu);
    CHECK(law_of(m.vm).empty());
}

// V7, through vmalloc: what other CPUs may still find at freed addresses, and what a forgotten flush does.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "allocators/mmu/soft_mmu.hpp"
#include "allocators/vmalloc/vmalloc_impl.hpp"
#include "allocators/vmalloc/vmalloc_look_impl.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
constexpr CpuId other{1};

/// Drops flushes while it is told to.
class ForgetfulMmu : public SoftMmu {
  public:
    using SoftMmu::SoftMmu;
    void flush(VirtAddr begin, VirtAddr end, CpuId on) {
        if (!forget) SoftMmu::flush(begin, end, on);
    }
    bool forget = false;
};

struct Fixture {
    explicit Fixture(unsigned most_nodes)
        : vm{pages, mmu, cpus, VmallocConfig{.most_nodes = most_nodes}, log} {}

    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    ForgetfulMmu mmu{arena, {.cpus = 2}};
    OwnedCpus cpus{2};
    MisuseLog log;
    Vmalloc<OwnedCpus, ForgetfulMmu> vm;

    std::string law() const {
        const auto found = vm.find_violation();
        return found ? std::string{found->law} : "";
    }
};

}  // namespace

TEST_CASE("a freed frame may be somebody else's while a CPU still finds it at its old address") {
    Fixture f{1};
    const VirtAddr old = *f.vm.vmalloc(page_size, cpu);
    const Pfn frame = *f.vm.vmalloc_to_page(old);
    REQUIRE(f.mmu.touch(old, other));
    f.vm.vfree(old, cpu);
    const VirtAddr next = *f.vm.vmalloc(page_size, cpu);
    CHECK(next != old);
    CHECK(f.vm.vmalloc_to_page(next) == frame);
    CHECK(f.mmu.translate(old, other) == frame);
    CHECK(f.law() == "");  // what laziness permits (VM-30)
    f.vm.drain(cpu);
    CHECK_FALSE(f.mmu.touch(old, other));
}

TEST_CASE("after a purge no CPU has a stale translation, whatever became of the addresses") {
    for (const unsigned most_nodes : {1U, most_vmap_nodes}) {
        CAPTURE(most_nodes);
        Fixture f{most_nodes};
        for (int round = 0; round < 20; ++round) {
            std::vector<VirtAddr> areas;
            for (std::size_t i = 1; i < 30; ++i) {
                const CpuId on{static_cast<unsigned>(i % 2)};
                areas.push_back(*f.vm.vmalloc(i * page_size, on));
                for (std::size_t p = 0; p < i; ++p) REQUIRE(f.mmu.touch(areas.back().plus_pages(p), on));
                REQUIRE(f.mmu.touch(areas.back(), other));
            }
            for (const VirtAddr area : areas) f.vm.vfree(area, cpu);
            f.vm.vm_unmap_aliases(cpu);
            CHECK(f.law() == "");
            for (const VirtAddr area : areas) CHECK_FALSE(f.mmu.touch(area, other));
        }
        CHECK_FALSE(f.mmu.broken_use());
    }
}

TEST_CASE("a flush that is forgotten is found when the addresses are used again") {
    for (const unsigned most_nodes : {1U, most_vmap_nodes}) {
        CAPTURE(most_nodes);
        Fixture f{most_nodes};
        const VirtAddr old = *f.vm.vmalloc(page_size, cpu);
        const Pfn frame = *f.vm.vmalloc_to_page(old);
        REQUIRE(f.mmu.touch(old, other));
        f.vm.vfree(old, cpu);
        const auto held = f.pages.take(Order{0}, GFP_KERNEL, cpu);  // the same frame does not come again
        REQUIRE(held == frame);
        f.mmu.forget = true;
        f.vm.vm_unmap_aliases(cpu);
        REQUIRE(f.vm.vmalloc(page_size, cpu) == old);
        CHECK(f.law() == "V7");
        CHECK(f.mmu.translate(old, other) == frame);  // and is read from
    }
}

TEST_CASE("a purge reaches what was unmapped in a block that has no room left") {
    Fixture f{1};
    const std::vector<Pfn> frames(64, *f.pages.take(Order{0}, GFP_KERNEL, cpu));
    std::vector<VirtAddr> mappings;
    for (std::uint64_t left = f.vm.blocks().block_pages(); left > 0; left -= frames.size()) {
        mappings.push_back(*f.vm.vm_map_ram(frames, cpu));
        REQUIRE(f.mmu.touch(mappings.back(), other));
    }
    f.vm.vm_unmap_ram(mappings.back(), frames.size(), cpu);
    f.vm.vm_unmap_aliases(cpu);
    CHECK_FALSE(f.mmu.touch(mappings.back(), other));
    CHECK(f.law() == "");
}

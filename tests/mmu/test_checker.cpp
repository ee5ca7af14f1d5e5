// Each law broken deep inside, and named by find_violation().
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "allocators/mmu/inside.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using test::BumpPages;

namespace {

constexpr CpuId cpu0{0};
constexpr CpuId cpu1{1};

template <class M>
std::string law_of(const M& mmu) {
    const auto violation = mmu.find_violation();
    return violation ? std::string{violation->law} : "";
}

/// Small and huge pages, used by two CPUs, some of them lazy; tables come from page frames.
struct Soft {
    using Inside = SoftMmu::Inside;

    Soft() {
        REQUIRE(mmu.map(base, frames, cpu0));
        REQUIRE(mmu.map_huge(base + order_2m.bytes(), Pfn{512}, order_2m, cpu0));
        for (std::uint64_t i = 0; i < 10; ++i) REQUIRE(mmu.touch(base.plus_pages(40 * i), cpu1));
        REQUIRE(mmu.touch(base.plus_pages(600), cpu1));
        mmu.unmap(base.plus_pages(40), 40, cpu0);
        REQUIRE(law_of(mmu).empty());
    }
    PageTable& table() { return Inside::table(mmu); }
    Pte& leaf(std::uint64_t page) { return *table().make_entry(base.plus_pages(page), 1, cpu0); }

    Arena arena{std::size_t{16} << 20};
    BumpPages pages{arena};
    SoftMmu mmu{arena, {.cpus = 2}, pages};
    VirtAddr base = mmu.window().begin;
    std::vector<Pfn> frames = std::vector<Pfn>(400, Pfn{1000});
};

struct Host {
    using Inside = HostMmu::Inside;

    explicit Host(HostWindow::Way way = HostWindow::Way::hole)
        : mmu{arena, {.window_bytes = std::size_t{1} << 30, .way = way}} {
        REQUIRE(mmu.map(base, frames, cpu0));
        REQUIRE(mmu.map(base.plus_pages(10), frames, cpu0));
        REQUIRE(mmu.map_huge(base + order_2m.bytes(), Pfn{512}, order_2m, cpu0));
        mmu.unmap(base.plus_pages(11), 1, cpu0);
        REQUIRE(law_of(mmu).empty());
    }
    auto& extent(std::uint64_t page) { return Inside::extents(mmu).at(base.page() + page); }

    Arena arena{std::size_t{16} << 20};
    HostMmu mmu;
    VirtAddr base = mmu.window().begin;
    std::vector<Pfn> frames{Pfn{3}, Pfn{4}, Pfn{9}};
};

}  // namespace

TEST_CASE("V4: pages and huge leaves are recounted") {
    Soft pages;
    ++Soft::Inside::stats(pages.mmu).mapped_pages;
    CHECK(law_of(pages.mmu) == "V4");
    Soft leaf;
    leaf.leaf(0) = Pte{};
    CHECK(law_of(leaf.mmu) == "V4");
    Soft huge;
    --Soft::Inside::stats(huge.mmu).huge_leaves;
    CHECK(law_of(huge.mmu) == "V4");
}

TEST_CASE("V5: a leaf stands where its size allows") {
    Soft level;
    level.leaf(3) = Pte::leaf(Pfn{512}, 2);
    CHECK(law_of(level.mmu) == "V5");
    Soft aligned;
    *aligned.table().make_entry(aligned.base + order_2m.bytes(), 2, cpu0) = Pte::leaf(Pfn{513}, 2);
    CHECK(law_of(aligned.mmu) == "V5");
}

TEST_CASE("V5: nothing is mapped outside of the window") {
    Soft soft;
    *soft.table().make_entry(VirtAddr{0x1000}, 1, cpu0) = Pte::leaf(Pfn{5}, 1);
    ++Soft::Inside::stats(soft.mmu).mapped_pages;
    CHECK(law_of(soft.mmu) == "V5");
}

TEST_CASE("V6: no leaf maps the frame of a table") {
    Soft soft;
    soft.leaf(5) = Pte::leaf(soft.table().frame_of_table(soft.table().root()).value(), 1);
    CHECK(law_of(soft.mmu) == "V6");
}

TEST_CASE("V7: a leaf that changes under a TLB is stale") {
    Soft soft;
    soft.leaf(0) = Pte::leaf(Pfn{7}, 1);
    CHECK(law_of(soft.mmu) == "V7");
}

TEST_CASE("V7: an unmapped page that is not lazy may be known to nobody") {
    Soft soft;
    Soft::Inside::lazy(soft.mmu).clear();
    CHECK(law_of(soft.mmu) == "V7");
}

TEST_CASE("V7: a planted translation is found in each level of the TLB") {
    for (auto* level : {&Tlb::Inside::l1, &Tlb::Inside::l2}) {
        Soft soft;
        const VirtAddr at = soft.base.plus_pages(7);
        auto& cache = level(Soft::Inside::tlb(soft.mmu, cpu0)).front();
        cache.insert(Cached::page_4k, at, {&soft.leaf(7), soft.leaf(7)});
        CHECK(law_of(soft.mmu).empty());
        cache.drop(Cached::page_4k, at);
        cache.insert(Cached::page_4k, at, {&soft.leaf(7), Pte::leaf(Pfn{1}, 1)});
        CHECK(law_of(soft.mmu) == "V7");
    }
}

TEST_CASE("V7: a pointer to a table that hangs there no more is stale") {
    Soft soft;
    soft.mmu.unmap(soft.base, 512, cpu0);
    Pte& entry = *soft.table().make_entry(soft.base, 2, cpu0);
    Table* const detached = entry.table();
    entry = Pte{};
    soft.table().release(detached, cpu0);  // V14 holds: it was freed, but nobody was told
    const auto violation = soft.mmu.find_violation();
    REQUIRE(violation);
    CHECK(violation->law == "V7");
    CHECK_THAT(violation->what, Catch::Contains("pointer to a table"));
}

TEST_CASE("V14: tables that are counted can be reached") {
    Soft count;
    ++PageTable::Inside::table_pages(count.table());
    CHECK(law_of(count.mmu) == "V14");
    --PageTable::Inside::table_pages(count.table());
    Soft lost;
    lost.mmu.unmap(lost.base, 512, cpu0);
    Pte& entry = *lost.table().make_entry(lost.base, 2, cpu0);
    const Pte kept = entry;
    entry = Pte{};
    CHECK(law_of(lost.mmu) == "V14");
    entry = kept;
    CHECK(law_of(lost.mmu).empty());
}

TEST_CASE("V4: the host's mappings and pages are recounted") {
    for (const auto way : {HostWindow::Way::hole, HostWindow::Way::kept}) {
        Host mappings{way};
        --Host::Inside::stats(mappings.mmu).mappings;
        CHECK(law_of(mappings.mmu) == "V4");
    }
    Host lazy;
    lazy.extent(10).lazy = true;
    CHECK(law_of(lazy.mmu) == "V4");
    Host huge;
    huge.extent(512).huge = false;
    CHECK(law_of(huge.mmu) == "V4");
}

TEST_CASE("V5: the host's extents are disjoint, in the window, and of the arena") {
    Host overlap;
    overlap.extent(0).pages = 11;
    CHECK(law_of(overlap.mmu) == "V5");
    Host empty;
    empty.extent(10).pages = 0;
    CHECK(law_of(empty.mmu) == "V5");
    Host beyond;
    beyond.extent(512).pages = beyond.mmu.window().pages();
    CHECK(law_of(beyond.mmu) == "V5");
    Host foreign;
    foreign.extent(10).first = foreign.arena.end() - 1;
    CHECK(law_of(foreign.mmu).empty());
    foreign.extent(10).first = foreign.arena.end();
    CHECK(law_of(foreign.mmu) == "V5");
}

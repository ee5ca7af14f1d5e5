#include <catch2/catch.hpp>

#include <vector>

#include "allocators/mmu/page_table.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using test::BumpPages;

namespace {

constexpr CpuId cpu{0};
constexpr VirtAddr low{0x0000'1234'5600'0000};
constexpr VirtAddr high{0xffffc90000000000};

std::vector<Pfn> frames(std::uint64_t count) {
    std::vector<Pfn> all;
    for (std::uint64_t i = 0; i < count; ++i) all.push_back(Pfn{3 * i + 1});
    return all;
}

/// Every leaf, with the level where it stands.
struct Leaf {
    VirtAddr at;
    unsigned level;
    Pfn first;
    friend bool operator==(const Leaf&, const Leaf&) = default;
};
std::vector<Leaf> leaves(const PageTable& table) {
    std::vector<Leaf> all;
    table.walk([](const Table&) {},
               [&](VirtAddr at, unsigned level, Pte leaf) {
                   all.push_back({at, level, leaf.first_frame()});
               });
    return all;
}

}  // namespace

TEST_CASE("an address selects one of 512 entries at each level") {
    Table table;
    constexpr VirtAddr at{1ULL << 12 | 2ULL << 21 | 3ULL << 30 | 4ULL << 39 | 5ULL << 48 | 0xabc};
    for (unsigned level = 1; level <= 5; ++level) CHECK(&table.at(at, level) == &table.entries[level]);
    CHECK(order_of_level(1) == Order{0});
    CHECK(order_of_level(2) == order_2m);
    CHECK(order_of_level(3) == order_1g);
}

TEST_CASE("a leaf of each size knows the frame behind an address") {
    constexpr VirtAddr at{0x12345678};
    CHECK(Pte::leaf(Pfn{99}, 1).frame_at(at) == Pfn{99});
    CHECK(Pte::leaf(Pfn{1024}, 2).frame_at(at) == Pfn{1024 + 0x145});
    CHECK(Pte::leaf(Pfn{1U << 18}, 3).frame_at(at) == Pfn{(1U << 18) + 0x12345});
    CHECK_FALSE(Pte{}.present());
}

TEST_CASE("one page needs one table a level, a neighbour none more") {
    for (const unsigned levels : {4U, 5U}) {
        PageTable table{levels, {}};
        CHECK(table.table_pages() == 1);
        REQUIRE(table.map(low, frames(1), cpu));
        CHECK(table.table_pages() == levels);
        REQUIRE(table.map(low.plus_pages(1), frames(511), cpu));
        CHECK(table.table_pages() == levels);
        REQUIRE(table.map(low.plus_pages(512), frames(1), cpu));
        CHECK(table.table_pages() == levels + 1);
    }
}

TEST_CASE("a run across tables of every level is mapped and found") {
    PageTable table{5, {}};
    const VirtAddr at{(std::uint64_t{7} << 48) - 3 * page_size};
    REQUIRE(table.map(at, frames(6), cpu));
    for (std::uint64_t i = 0; i < 6; ++i) {
        const Pte* leaf = table.find_leaf(at.plus_pages(i) + 17);
        REQUIRE(leaf != nullptr);
        CHECK(leaf->first_frame() == Pfn{3 * i + 1});
    }
    CHECK(table.find_leaf(at.plus_pages(6)) == nullptr);
    CHECK(table.table_pages() == 1 + 2 * 4);
}

TEST_CASE("leaves are walked ascending, with canonical addresses") {
    PageTable table{4, {}};
    REQUIRE(table.map(high, frames(2), cpu));
    REQUIRE(table.map(low, frames(1), cpu));
    *table.make_entry(high + order_1g.bytes(), 3, cpu) = Pte::leaf(Pfn{1U << 18}, 3);
    *table.make_entry(high + order_2m.bytes(), 2, cpu) = Pte::leaf(Pfn{512}, 2);
    const std::vector<Leaf> expected{{low, 1, Pfn{1}},
                                     {high, 1, Pfn{1}},
                                     {high.plus_pages(1), 1, Pfn{4}},
                                     {high + order_2m.bytes(), 2, Pfn{512}},
                                     {high + order_1g.bytes(), 3, Pfn{1U << 18}}};
    CHECK(leaves(table) == expected);
}

TEST_CASE("clearing counts what was there, of every size, and passes over holes") {
    PageTable table{4, {}};
    REQUIRE(table.map(high, frames(3), cpu));
    REQUIRE(table.map(high.plus_pages(500), frames(12), cpu));
    *table.make_entry(high + order_2m.bytes(), 2, cpu) = Pte::leaf(Pfn{512}, 2);
    *table.make_entry(high + order_1g.bytes(), 3, cpu) = Pte::leaf(Pfn{1U << 18}, 3);
    const Cleared cleared = table.clear(high.plus_pages(1), 3 * order_1g.pages() - 1);
    CHECK(cleared.pages == 14 + 512 + order_1g.pages());
    CHECK(cleared.huge_leaves == 2);
    CHECK(leaves(table) == std::vector<Leaf>{{high, 1, Pfn{1}}});
    CHECK_FALSE(PageTable::is_empty(table.root()));
    CHECK(table.clear(high, 1).pages == 1);
    CHECK(PageTable::is_empty(table.root()));
}

TEST_CASE("without a page for a table nothing stays mapped") {
    Arena arena{std::size_t{1} << 20};
    BumpPages pages{arena};
    PageTable table{4, pages};
    REQUIRE(table.map(low, frames(1), cpu));
    // The run needs two more tables of the lowest level; the second is refused.
    pages.fail_at(2);
    CHECK_FALSE(table.map(low.plus_pages(1), frames(2 * 512), cpu));
    CHECK(leaves(table).size() == 1);
    CHECK(table.table_pages() == pages.held_pages());
    CHECK(table.map(low.plus_pages(1), frames(2 * 512), cpu));
    CHECK(table.make_entry(high, 2, cpu) != nullptr);
    pages.fail_at(1);
    CHECK(table.make_entry(VirtAddr{0}, 2, cpu) == nullptr);
}

TEST_CASE("tables of a page source are frames of it, and go back") {
    Arena arena{std::size_t{1} << 20};
    BumpPages pages{arena};
    {
        PageTable table{5, pages};
        REQUIRE(table.map(high, frames(600), cpu));
        CHECK(pages.held_pages() == 6);
        table.walk([&](const Table& t) { CHECK(arena.contains(table.frame_of_table(t).value())); },
                   [](VirtAddr, unsigned, Pte) {});
    }
    CHECK(pages.held_pages() == 0);
}

TEST_CASE("a detached table is freed with those below it") {
    PageTable table{4, {}};
    REQUIRE(table.map(high, frames(600), cpu));
    Pte* entry = table.make_entry(high, 3, cpu);
    Table* below = entry->table();
    CHECK_FALSE(PageTable::is_empty(*below));
    table.clear(high, 600);
    CHECK(PageTable::is_empty(*below));
    *entry = Pte{};
    table.release(below, cpu);
    CHECK(table.table_pages() == 2);
}

TEST_CASE("a page table of three levels is refused") {
    CHECK_THROWS_WITH((PageTable{3, {}}), "page table: 3 levels are neither 4 nor 5");
    Arena arena{page_size};
    BumpPages pages{arena};
    pages.fail_at(1);
    CHECK_THROWS_WITH((PageTable{4, pages}), "page table: no page for the root");
}

#include <catch2/catch.hpp>
#include <sstream>

#include "allocators/buddy/fragmentation.hpp"
#include "tests/buddy/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

std::string text_of(const BuddyMachine<>& machine, std::string_view name) {
    for (const Text& text : machine.buddy.snapshot()) {
        if (text.name == name) return text.content;
    }
    FAIL("no text " << name);
    return "";
}

}  // namespace

TEST_CASE("buddyinfo lists the free blocks of each order in the kernel's columns") {
    const BuddyMachine<> machine;
    CHECK(text_of(machine, "buddyinfo") ==
          "Node 0, zone   Normal      0      0      0      0      0      0      0      0      0      0     "
          "16 \n");
}

TEST_CASE("pagetypeinfo has the kernel's lines, and its blocks add up to buddyinfo's") {
    BuddyMachine<> machine;
    (void)machine.buddy.take(Order{0}, GFP_KERNEL, cpu0);
    const std::string text = text_of(machine, "pagetypeinfo");
    CHECK_THAT(text, Catch::StartsWith("Page block order: 9\nPages per block:  512\n\n"
                                       "Free pages count per migrate type at order       0      1 "));
    CHECK_THAT(text, Catch::Contains("\nNode    0, zone   Normal, type    Unmovable "));
    CHECK_THAT(text, Catch::Contains(
                         "\nNumber of blocks type     Unmovable      Movable  Reclaimable   HighAtomic \n"));
    std::array<std::uint64_t, order_count> blocks{};
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        if (line.find(", type") == std::string::npos) continue;
        std::istringstream counts{line.substr(line.find(", type") + 19)};
        for (std::uint64_t& of_order : blocks) {
            std::uint64_t count = 0;
            REQUIRE(counts >> count);
            of_order += count;
        }
    }
    CHECK(blocks == *machine.buddy.free_blocks());
}

TEST_CASE("zoneinfo prints every zone, with marks and the CPUs' page sets for those that have memory") {
    BuddyConfig config;
    BuddyMachine<> machine{std::size_t{64} << 20, 2, config};
    const std::string text = text_of(machine, "zoneinfo");
    CHECK_THAT(text, Catch::Contains("Node 0, zone      DMA\n  per-node stats\n"));
    CHECK_THAT(text, Catch::Contains("\n  pages free     4096\n        boost    0\n        min      "));
    CHECK_THAT(text, Catch::Contains("Node 0, zone   Normal\n  pages free     0\n"));
    CHECK_THAT(text, Catch::Contains("\n        protection: (0, 48, 48, 48)\n      nr_free_pages 4096\n"));
    CHECK_THAT(text,
               Catch::Contains("\n  pagesets\n    cpu: 0\n              count: 0\n              high:  "));
    CHECK_THAT(text, Catch::Contains("\n  node_unreclaimable:  0\n  start_pfn:           4096\n"));
}

TEST_CASE("fragmentation indexes agree with their definitions") {
    BlockCounts none{};
    CHECK(unusable_index(none, Order{0}) == 1000);
    CHECK(extfrag_index(none, Order{0}) == 0);
    BlockCounts blocks{};
    blocks[0] = 100;
    blocks[2] = 5;  // 120 pages in 105 blocks
    CHECK(unusable_index(blocks, Order{0}) == 0);
    CHECK(unusable_index(blocks, Order{2}) == 1000 * 100 / 120);
    CHECK(extfrag_index(blocks, Order{2}) == -1000);
    CHECK(extfrag_index(blocks, Order{4}) == 1000 - (1000 + 1000 * 120 / 16) / 105);
    const BuddyMachine<> machine;
    CHECK(text_of(machine, "unusable_index").find("0.000 0.000") != std::string::npos);
    CHECK(text_of(machine, "extfrag_index").find("-1.000 -1.000") != std::string::npos);
}

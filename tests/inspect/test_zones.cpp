/// The page allocator as text: exact for a small machine.
#include <catch2/catch.hpp>

#include "allocators/contract/models.hpp"
#include "bench/inspect/zone_text.hpp"

using namespace kmemlab;
using namespace kmemlab::inspect;
using Catch::Contains;

namespace {

BuddyModel machine(std::size_t mib, bool pcp) {
    BuddyModel::Config config;
    config.machine.cpus = 2;
    config.machine.arena = mib << 20;
    config.buddy.layout = "single";
    config.buddy.pcp = pcp;
    config.buddy.pcp_batch = 8;
    return BuddyModel{config};
}

}  // namespace

TEST_CASE("a page taken splits the largest block, and all orders below it are there") {
    BuddyModel model = machine(4, false);
    const std::optional<Pfn> pfn = model.take(Order{0}, GFP_KERNEL | __GFP_MOVABLE, CpuId{0});
    REQUIRE(pfn);
    CHECK(zones_text(model.buddy(), model.arena()) == R"(zone Normal: 1024 pages, watermarks 64 80 96

  order            0     1     2     3     4     5     6     7     8     9    10    pages
  unmovable        1     1     1     1     1     1     1     1     1     1     .     1023
  movable          .     .     .     .     .     .     .     .     .     .     .        0
  reclaimable      .     .     .     .     .     .     .     .     .     .     .        0
  highatomic       .     .     .     .     .     .     .     .     .     .     .        0

  pageblocks: 2 unmovable, 0 movable, 0 reclaimable, 0 highatomic, of 512 pages each

  map, 1 page a character: # in use, o on a CPU's list, 0..9 and A free, of that order
          0 U #011222233333333444444444444444455555555555555555555555555555555
         64 U 6666666666666666666666666666666666666666666666666666666666666666
        128 U 7777777777777777777777777777777777777777777777777777777777777777
            ... 1 line like this
        256 U 8888888888888888888888888888888888888888888888888888888888888888
            ... 3 lines like this
        512 U 9999999999999999999999999999999999999999999999999999999999999999
            ... 7 lines like this
)");
    model.give(*pfn, Order{0}, CpuId{0});
    CHECK_THAT(zones_text(model.buddy(), model.arena()),
               Contains(" 0 U AAAA") && Contains("... 15 lines like this\n"));
}

TEST_CASE("what a CPU keeps is a row of its own") {
    BuddyModel model = machine(32, true);
    const std::optional<Pfn> pfn = model.take(Order{0}, GFP_KERNEL, CpuId{1});
    REQUIRE(pfn);
    const std::string text = zones_text(model.buddy(), model.arena());
    CHECK_THAT(text, Contains("\n  CPU 1 ") && !Contains("\n  CPU 0 ") && Contains("2 pages a character"));
}

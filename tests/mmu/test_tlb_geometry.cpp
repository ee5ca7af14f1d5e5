#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "allocators/mmu/tlb_geometry.hpp"

using namespace kmemlab;

namespace {

constexpr std::string_view smallest = "name=x\nl1=4K 8/8 lru\n";

std::string error_of(const std::string& text) {
    try {
        static_cast<void>(parse_tlb(text, "tlb.txt"));
        return "";
    } catch (const UsageError& error) {
        return error.what();
    }
}

/// Entries that a level has for a kind, and ways.
std::pair<unsigned, unsigned> size_of(const std::vector<CacheGeometry>& level, Cached kind) {
    for (const CacheGeometry& cache : level) {
        for (const Cached held : cache.kinds) {
            if (held == kind) return {cache.entries, cache.ways};
        }
    }
    return {0, 0};
}

}  // namespace

TEST_CASE("a description is read, with comments, white space and several caches a level") {
    const TlbGeometry tlb = parse_tlb(
        "# a CPU\n"
        "name = test  \r\n"
        "source=a book, page 7\n"
        "\n"
        "l1=4K 64/4 lru   # small pages\n"
        "l1=2M,1G 32/32 plru\n"
        "l2=4K,2M,pde 1536/12 lru\n"
        "walk=pdpte,pml4e 16/1 lru",
        "tlb.txt");
    CHECK(tlb.name == "test");
    CHECK(tlb.source == "a book, page 7");
    REQUIRE(tlb.l1.size() == 2);
    CHECK(tlb.l1[0].sets() == 16);
    CHECK(tlb.l1[1].kinds == std::vector{Cached::page_2m, Cached::page_1g});
    CHECK(tlb.l1[1].replacement == Replacement::tree_plru);
    CHECK(size_of(tlb.l2, Cached::pde) == std::pair{1536U, 12U});
    CHECK(tlb.walk[0].sets() == 16);
}

TEST_CASE("levels may be left out, except the first") {
    CHECK(parse_tlb(smallest, "f").l2.empty());
    CHECK(error_of("name=x\nl1=2M 8/8 lru\n") == "tlb.txt:2: l1 holds no 4K pages");
    CHECK(error_of(std::string{smallest} + "l2=2M 8/8 lru\n") == "tlb.txt:3: l2 holds no 4K pages");
    CHECK(error_of("l1=4K 8/8 lru\n") == "tlb.txt:1: the name is missing");
}

TEST_CASE("what is malformed is named with its line") {
    const auto after = [](const std::string& line) { return error_of(std::string{smallest} + line); };
    CHECK(after("nonsense") == "tlb.txt:3: expected key=value, found 'nonsense'");
    CHECK(after("l3=4K 8/8 lru") == "tlb.txt:3: no such key 'l3'; valid: name, source, l1, l2, walk");
    CHECK(after("l1=8K 8/8 lru") == "tlb.txt:3: '8K' cannot be held here; expected 4K, 2M, 1G");
    CHECK(after("l1=pde 8/8 lru") == "tlb.txt:3: 'pde' cannot be held here; expected 4K, 2M, 1G");
    CHECK(after("walk=4K 8/8 lru") ==
          "tlb.txt:3: '4K' cannot be held here; expected pde, pdpte, pml4e, pml5e");
    CHECK(after("l2=4K 8 lru") == "tlb.txt:3: expected ENTRIES/WAYS, each 1..32768");
    CHECK(after("l2=4K 0/1 lru") == "tlb.txt:3: expected ENTRIES/WAYS, each 1..32768");
    CHECK(after("l2=4K 65536/1 lru") == "tlb.txt:3: expected ENTRIES/WAYS, each 1..32768");
    CHECK(after("l2=4K 8x/8 lru") == "tlb.txt:3: expected ENTRIES/WAYS, each 1..32768");
    CHECK(after("l2=4K 24/8 lru") == "tlb.txt:3: 24/8: the number of sets is no power of two");
    CHECK(after("l2=4K 8/3 lru") == "tlb.txt:3: 8/3: the number of sets is no power of two");
    CHECK(after("l2=4K 12/12 plru") == "tlb.txt:3: plru needs a power of two of ways, at most 64");
    CHECK(after("l2=4K 8/8") == "tlb.txt:3: expected KINDS ENTRIES/WAYS lru or plru, found ''");
    CHECK(after("l1=4K 8/8 lru") == "tlb.txt:3: one level holds each kind in one place only");
    CHECK(after("l2=4K,4K 8/8 lru") == "tlb.txt:3: one level holds each kind in one place only");
}

TEST_CASE("the built-in CPUs have the sizes of their manuals, and name a source") {
    for (const TlbGeometry& tlb : known_tlbs()) {
        INFO(tlb.name);
        CHECK(tlb.source.size() > 20);
        CHECK_FALSE(tlb.l2.empty());
        CHECK_FALSE(tlb.walk.empty());
    }
    const TlbGeometry skylake = known_tlb("intel-skylake-server");
    CHECK(size_of(skylake.l1, Cached::page_4k) == std::pair{64U, 4U});
    CHECK(size_of(skylake.l1, Cached::page_2m) == std::pair{32U, 4U});
    CHECK(size_of(skylake.l1, Cached::page_1g) == std::pair{4U, 4U});
    CHECK(size_of(skylake.l2, Cached::page_2m) == std::pair{1536U, 12U});
    CHECK(size_of(skylake.l2, Cached::page_1g) == std::pair{16U, 4U});
    CHECK(size_of(known_tlb("intel-golden-cove").l1, Cached::page_4k) == std::pair{96U, 6U});
    CHECK(size_of(known_tlb("intel-golden-cove").l2, Cached::page_1g) == std::pair{2048U, 16U});
    CHECK(size_of(known_tlb("amd-zen2").l1, Cached::page_1g) == std::pair{64U, 64U});
    CHECK(size_of(known_tlb("amd-zen3").l2, Cached::page_4k) == std::pair{2048U, 16U});
    CHECK(size_of(known_tlb("amd-zen4").l1, Cached::page_4k) == std::pair{72U, 72U});
    CHECK(size_of(known_tlb("amd-zen4").l2, Cached::pde) == std::pair{3072U, 24U});
    CHECK(size_of(known_tlb("arm-neoverse-n1").l2, Cached::page_4k) == std::pair{1280U, 5U});
}

TEST_CASE("an unknown CPU is refused with the names of those that are known") {
    CHECK_THROWS_WITH(known_tlb("pdp-11"),
                      "tlb: there is no 'pdp-11'; valid: intel-skylake-server, intel-golden-cove, amd-zen2, "
                      "amd-zen3, amd-zen4, arm-neoverse-n1");
}

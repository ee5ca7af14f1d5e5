/// The map of huge pages counts what nobody has, where it lies.
#include <catch2/catch.hpp>

#include <numeric>

#include "allocators/contract/registry.hpp"
#include "bench/replay/huge_pages.hpp"
#include "bench/replay/replay.hpp"
#include "bench/replay/report.hpp"
#include "tests/replay/replay_support.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;

namespace {

using Map = std::vector<std::uint16_t>;

BuddyModel machine(const char* arena, const char* start = "0") {
    const std::vector<Setting> settings{{"machine.arena", arena}, {"machine.start_pfn", start}};
    return BuddyModel{configure<BuddyModel>(settings)};
}

std::uint64_t sum(const Map& map) {
    return std::accumulate(map.begin(), map.end(), std::uint64_t{0});
}

}  // namespace

TEST_CASE("all of a fresh machine's huge pages are free, and one page taken is missing in its own") {
    BuddyModel buddy = machine("64M");
    CHECK(free_pages_map(buddy.arena()) == Map(32, 512));
    const std::optional<Pfn> pfn = buddy.take(Order{9}, GFP_KERNEL, CpuId{0});
    REQUIRE(pfn);
    Map expected(32, 512);
    expected[pfn->value() / 512] = 0;
    CHECK(free_pages_map(buddy.arena()) == expected);
    buddy.give(*pfn, Order{9}, CpuId{0});
    buddy.drain(CpuId{0});
    CHECK(free_pages_map(buddy.arena()) == Map(32, 512));
}

TEST_CASE("an arena that begins and ends within huge pages has them cut") {
    BuddyModel buddy = machine("5M", "256");
    const Map map = free_pages_map(buddy.arena());
    CHECK(map == Map{256, 512, 512});
}

TEST_CASE("the map lacks just what is held while blocks of many orders come and go") {
    BuddyModel buddy = machine("32M");
    std::vector<std::pair<Pfn, Order>> held;
    for (unsigned i = 0; i < 3000; ++i) {
        const Order order{i * 7 % 11 % 5};
        if (held.size() > 200) {
            const std::size_t which = i * 31 % held.size();
            buddy.give(held[which].first, held[which].second, CpuId{0});
            held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
        }
        if (const auto pfn = buddy.take(order, GFP_KERNEL, CpuId{0})) held.emplace_back(*pfn, order);
        if (i % 50 == 0) {
            Map expected(16, 512);
            for (const auto& [pfn, of] : held) {
                std::uint16_t& free = expected[pfn.value() / 512];
                free = static_cast<std::uint16_t>(free - of.pages());
            }
            REQUIRE(free_pages_map(buddy.arena()) == expected);
        }
    }
}

TEST_CASE("an arena beyond 16 GiB has no map") {
    CHECK(free_pages_map(Arena{std::size_t{1} << 35}).empty());
    CHECK(free_pages_map(Arena{std::size_t{1} << 34}).size() == 8192);
}

TEST_CASE("a replay maps huge pages where a page allocator lies below, and reports them") {
    TraceBuilder made;
    made.kmalloc(0, 100).page_alloc(0, 9).page_free(0, 9).page_alloc(0, 9).kfree(0, 100);
    Options options;
    options.allocators = {"slub", "malloc", "buddy"};
    options.settings = {{"machine.arena", "64M"}};
    options.repetitions = 0;
    const Result result = replay::replay(made.trace(), options);
    const auto& slub = result.allocators[0].observed.huge_pages;
    REQUIRE(slub.size() == 3);
    CHECK(slub.front().free_pages == Map(32, 512));
    CHECK(sum(slub[1].free_pages) < 32 * 512);
    CHECK(result.allocators[1].observed.huge_pages.empty());
    const auto& buddy = result.allocators[2].observed.huge_pages;
    REQUIRE(buddy.size() == 4);  // before each operation, and at the end
    CHECK(sum(buddy[1].free_pages) == 31 * 512);
    CHECK(sum(buddy[2].free_pages) == 32 * 512);
    CHECK(buddy[3].operation == 3);

    const Json allocators = to_json(result, made.trace(), "f", "c")["replay"]["allocators"];
    CHECK(allocators[1]["huge_pages"].is_null());
    CHECK(allocators[2]["huge_pages"]["operation"] == Json::parse("[0, 1, 2, 3]"));
    CHECK(allocators[2]["huge_pages"]["free_pages"][3] == Json(buddy[3].free_pages));
}

TEST_CASE("the text tells of the moment when fragmentation costs most huge pages") {
    Result result;
    result.allocators.resize(1);
    Observation& seen = result.allocators.front().observed;
    seen.huge_pages = {
        {0, 0, {512, 512, 512}}, {7, 0, {300, 212, 512}}, {8, 0, {511, 511, 511}}, {9, 0, {0, 0, 0}}};
    CHECK_THAT(
        to_text(result, TraceBuilder{}.trace()),
        Catch::Contains(
            "huge pages   at operation 8: 0 free as a whole, where free memory would make 2 of all 3"));
}

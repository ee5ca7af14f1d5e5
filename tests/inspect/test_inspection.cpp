/// Inspections of traces: they stop where they shall, and their films have what was asked.
#include <catch2/catch.hpp>

#include "bench/inspect/film.hpp"
#include "tests/replay/replay_support.hpp"

using namespace kmemlab;
using namespace kmemlab::inspect;
using Catch::Contains;
using replay::TraceBuilder;

namespace {

const std::vector<Setting> small{{"machine.arena", "16M"}};

TraceBuilder made() {
    TraceBuilder builder;
    const auto files = builder.cache("file", 200);
    for (std::uint32_t i = 0; i < 40; ++i) builder.cache_alloc(i, files);
    for (std::uint32_t i = 0; i < 40; i += 2) builder.cache_free(i, files);
    builder.kmalloc(100, 100'000).page_alloc(0, 0, 1).page_alloc(1, 2, 0).page_alloc(2, 0, 2);
    builder.area_alloc(0, 5, 2).area_alloc(1, 9);
    return builder;
}

std::uint64_t pages_of(const Film& film, const PageMap& map, const std::string& name) {
    std::uint64_t pages = 0;
    for (const Run& run : map.runs) {
        if (film.table.owners().at(run.owner).name == name) pages += std::uint64_t{run.pages} * run.blocks;
    }
    return pages;
}

}  // namespace

TEST_CASE("an inspection stops after as many operations as asked") {
    const TraceBuilder trace = made();
    const auto inspection = open_inspection("slub", small, trace.trace());
    CHECK(inspection->work().operations.size() == 61);
    inspection->advance(40);
    CHECK_THAT(inspection->show("file"), Contains("#  in use                                  40\n"));
    inspection->advance(61);
    CHECK(inspection->done() == 61);
    CHECK(inspection->failures() == 0);
    CHECK_THAT(inspection->show("file"), Contains("#  in use                                  20\n"));
}

TEST_CASE("a cache is found by the name that the trace has for it") {
    TraceBuilder trace;
    const auto one = trace.cache("one", 200);
    const auto two = trace.cache("two", 200);
    trace.cache_alloc(0, one).cache_alloc(1, two);
    const auto inspection = open_inspection("slub", small, trace.trace());
    inspection->advance(2);
    CHECK(inspection->show("one") == inspection->show("two"));
    CHECK_THAT(inspection->show("two"), Contains("serves also two\n") && Contains("\none: "));
    CHECK_THROWS_WITH(inspection->show("three"),
                      Contains("no cache 'three'; there are: ") && Contains("kmalloc-64"));
}

TEST_CASE("allocations that get nothing are counted") {
    TraceBuilder trace;
    for (std::uint32_t i = 0; i < 20; ++i) trace.page_alloc(i, 9);
    const auto inspection = open_inspection("buddy", small, trace.trace());
    inspection->advance(20);
    CHECK(inspection->failures() > 11);
}

TEST_CASE("moments are spread from the begin to the end, and not more than there are") {
    CHECK(moments(10, 3) == std::vector<std::uint64_t>{0, 5, 10});
    CHECK(moments(10, 1) == std::vector<std::uint64_t>{10});
    CHECK(moments(2, 3) == std::vector<std::uint64_t>{0, 1, 2});
    CHECK_THROWS_WITH(moments(2, 4), Contains("--frames 4") && Contains("at most 3"));
}

TEST_CASE("a film has a map of each moment, with owners by their names") {
    const TraceBuilder trace = made();
    const auto inspection = open_inspection("slub", small, trace.trace());
    const Film seen = film(*inspection, moments(61, 5));
    REQUIRE(seen.frames.size() == 5);
    CHECK(seen.frames.front().operation == 0);
    CHECK(pages_of(seen, seen.frames.front(), "free") == 4096);
    CHECK(seen.frames.back().operation == 61);
    CHECK(pages_of(seen, seen.frames.back(), "objects of whole pages") == 32);
    const Json json = to_json(seen, *inspection, "slub", "made");
    CHECK(json["frames"].size() == 5);
    CHECK(json["owners"].size() == seen.table.owners().size());
    CHECK(json["frames"][0]["runs"] == Json::parse("[0, 1024, 4]"));
    CHECK(json["owners"][0] == Json::parse(R"({"kind": "free", "name": "free", "order": 10})"));
}

TEST_CASE("blocks of pages are named by what the request asked for") {
    const TraceBuilder trace = made();
    const auto inspection = open_inspection("buddy", small, trace.trace());
    const Film seen = film(*inspection, moments(3, 1));
    CHECK(pages_of(seen, seen.frames[0], "movable pages") == 1);
    CHECK(pages_of(seen, seen.frames[0], "unmovable pages") == 4);
    CHECK(pages_of(seen, seen.frames[0], "reclaimable pages") == 1);
}

TEST_CASE("every allocator over buddy has a film and a text") {
    const TraceBuilder trace = made();
    for (const char* name : {"slub", "slub-sheaves", "slab", "slob", "buddy", "vmalloc", "vmalloc-nodes",
                             "kstack-direct", "kstack-vmap", "kstack-dynamic"}) {
        CAPTURE(name);
        const auto inspection = open_inspection(name, small, trace.trace());
        const std::uint64_t all = inspection->work().operations.size();
        const Film seen = film(*inspection, moments(all, 2));
        std::uint64_t pages = 0;
        for (const Run& run : seen.frames.back().runs) pages += std::uint64_t{run.pages} * run.blocks;
        CHECK(pages == 4096);
        CHECK_FALSE(inspection->list().empty());
        CHECK(inspection->failures() == 0);
    }
}

TEST_CASE("who has no page allocator of ours is refused with those who have") {
    CHECK_THROWS_WITH(check_inspectable("malloc", {}), Contains("'malloc'; there are: slub, slub-sheaves, "));
    const TraceBuilder trace = made();
    const std::vector<Setting> wrong{{"slab.nonsense", "1"}};
    CHECK_THROWS_AS(check_inspectable("slub", wrong), UsageError);
    CHECK_THROWS_WITH(open_inspection("slub", small, TraceBuilder{}.page_alloc(0, 0).trace()),
                      Contains("replays objects, and the trace has none"));
}

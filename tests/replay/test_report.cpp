#include <catch2/catch.hpp>
#include <set>

#include "bench/replay/report.hpp"
#include "tests/replay/replay_support.hpp"
#include "tests/support/documentation.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;
using namespace kmemlab::test;

namespace {

Json report(const std::vector<std::string>& allocators) {
    TraceBuilder builder{"tiny"};
    const auto cache = builder.cache("dentry", 192);
    builder.kmalloc(0, 100).cache_alloc(1, cache).kfree(0, 100).page_alloc(0, 3, 1).page_free(0, 3);
    Options options;
    options.allocators = allocators;
    options.repetitions = 2;
    options.settings = {{"machine.cpus", "2"}};
    options.observe.snapshot_at_end = true;
    const Result result = replay::replay(builder.trace(), options);
    return to_json(result, builder.trace(), "folder/tiny.trace", "kmemlab replay");
}

}  // namespace

TEST_CASE("a result file has the members that docs/results.md names, and no others") {
    const auto context = documented_tables("context");
    const auto members_of_replay = documented_tables("replay");
    REQUIRE(context.size() == 1);
    REQUIRE(members_of_replay.size() == 2);
    const Json json = report({"slub", "malloc", "buddy"});
    for (const std::string& name : context[0]) CHECK(json["context"].contains(name));
    CHECK(members(json["replay"]) == members_of_replay[0]);
    for (const Json& allocator : json["replay"]["allocators"]) {
        CAPTURE(allocator["name"]);
        CHECK(members(allocator) == members_of_replay[1]);
    }
    CHECK(members(json) == Names{"context", "benchmarks", "replay"});
}

TEST_CASE("the timeline's lists are equally long, those per order once more per order") {
    const Json json = report({"buddy", "malloc"});
    const Json& pages = json["replay"]["allocators"][0]["timeline"];
    const std::size_t points = pages["operation"].size();
    CHECK(points == 3);
    for (const char* name :
         {"time_s", "requested_bytes", "handed_out_bytes", "held_bytes", "metadata_bytes"}) {
        CHECK(pages[name].size() == points);
    }
    for (const char* name : {"free_blocks", "extfrag_index", "unusable_index"}) {
        REQUIRE(pages[name].size() == order_count);
        CHECK(pages[name][10].size() == points);
        CHECK(json["replay"]["allocators"][1]["timeline"][name].is_null());
    }
    CHECK(pages["requested_bytes"] == Json({0, 32768, 0}));
}

TEST_CASE("rows are Google Benchmark's, one per repetition") {
    const Json json = report({"malloc"});
    std::multiset<std::string> names;
    for (const Json& row : json["benchmarks"]) {
        names.insert(row["name"].get<std::string>());
        CHECK(row["run_type"] == "iteration");
        CHECK(row["time_unit"] == "ns");
        CHECK(row["repetitions"] == 2);
        for (const char* member : {"real_time", "cpu_time", "items_per_second", "iterations"}) {
            CHECK(row[member].is_number());
        }
    }
    CHECK(names.count("replay/tiny/malloc/all") == 2);
    CHECK(names.count("replay/tiny/malloc/kmem_cache_alloc") == 2);
    CHECK(names.size() == 8);
}

TEST_CASE("frees on another CPU have latencies and path counts of their own") {
    TraceBuilder builder{"tiny"};
    builder.kmalloc(0, 100, GFP_KERNEL, 0).kmalloc(1, 100, GFP_KERNEL, 0).kfree(0, 100, 1).kfree(1, 100, 0);
    Options options;
    options.allocators = {"slub"};
    options.repetitions = 1;
    const Json json = to_json(replay::replay(builder.trace(), options), builder.trace(), "tiny", "kmemlab");
    const Json& slub = json["replay"]["allocators"][0];
    std::vector<std::string> operations;
    for (const Json& entry : slub["latency"]) operations.push_back(entry["operation"]);
    CHECK(operations == std::vector<std::string>{"kmalloc", "kfree", "kfree-other-cpu"});
    CHECK(slub["paths"]["frees"] == Json({{"fast", 1}, {"slab", 1}}));
    CHECK(slub["paths"]["frees_on_other_cpu"] == Json({{"slab", 1}}));  // into the slab of CPU 0 (SLUB-32)
}

TEST_CASE("the trace's facts, the tunables and what is null") {
    const Json json = report({"slub", "malloc"});
    CHECK(json["context"]["tunables"]["machine.cpus"] == "2");
    CHECK(json["replay"]["trace"]["file"] == "folder/tiny.trace");
    CHECK(json["replay"]["trace"]["operations"] == 5);
    CHECK(json["replay"]["trace"]["not_replayed"] == 2);
    const Json& slub = json["replay"]["allocators"][0];
    const Json& libc = json["replay"]["allocators"][1];
    CHECK(slub["violation"].is_null());
    CHECK(slub["address_hash"].is_string());
    CHECK(libc["address_hash"].is_null());
    CHECK(libc["bytes_per_frame"].is_null());
    CHECK(slub["bytes_per_frame"] == 32);
    CHECK(slub["snapshots"][0]["operation"] == 3);
    CHECK(libc["paths"]["allocations"] == Json({{"opaque", 2}}));
}

TEST_CASE("latencies count every operation of every measured pass") {
    const Json json = report({"malloc"});
    for (const Json& entry : json["replay"]["allocators"][0]["latency"]) {
        CHECK(entry["count"] == 2);
        std::uint64_t in_buckets = 0;
        for (const Json& bucket : entry["histogram"]) in_buckets += bucket[1].get<std::uint64_t>();
        CHECK(in_buckets == 2);
        CHECK(entry["p50"] <= entry["max"]);
    }
}

TEST_CASE("the table for people names every allocator and its verdict") {
    TraceBuilder builder{"tiny"};
    builder.kmalloc(0, 100).kfree(0, 100);
    Options options;
    options.allocators = {"slub", "malloc"};
    options.repetitions = 1;
    const std::string text = to_text(replay::replay(builder.trace(), options), builder.trace());
    CHECK_THAT(text, Catch::Contains("slub (objects, follows Linux 6.1), 2 operations"));
    CHECK_THAT(text, Catch::Contains("malloc (objects"));
    CHECK_THAT(text, Catch::Contains("laws         hold"));
}

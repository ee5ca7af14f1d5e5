#include <catch2/catch.hpp>
#include <random>

#include "bench/replay/replay.hpp"
#include "tests/replay/replay_support.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;
using Catch::Contains;

namespace {

/// Objects and pages of many sizes on two CPUs, some of them never freed.
trace::Trace random_trace(std::size_t operations) {
    TraceBuilder builder{"random"};
    const auto small = builder.cache("small", 40);
    const auto large = builder.cache("large", 1000);
    std::mt19937 random{11};
    const auto pick = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };
    constexpr std::uint32_t objects = 300;
    std::vector<std::uint32_t> sizes(objects, 0);
    std::vector<std::uint32_t> caches(objects, 0);
    std::vector<int> live(objects, 0);
    for (std::size_t i = 0; i < operations; ++i) {
        const std::uint32_t object = pick(objects);
        if (live[object] == 1) {
            builder.kfree(object, sizes[object], pick(2));
        } else if (live[object] == 2) {
            builder.cache_free(object, caches[object]);
        } else if (pick(2) == 0) {
            sizes[object] = 1 + pick(5000);
            builder.kmalloc(object, sizes[object], pick(4) == 0 ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL,
                            pick(2));
            live[object] = 1;
            continue;
        } else {
            caches[object] = pick(2) == 0 ? small : large;
            builder.cache_alloc(object, caches[object]);
            live[object] = 2;
            continue;
        }
        live[object] = 0;
    }
    for (std::uint32_t i = 0; i < 200; ++i) builder.page_alloc(i, i % 5, i % 3);
    for (std::uint32_t i = 0; i < 200; i += 2) builder.page_free(i, i % 5);
    return builder.trace();
}

Options options_for(std::vector<std::string> allocators) {
    Options options;
    options.allocators = std::move(allocators);
    options.repetitions = 1;
    options.settings = {{"machine.arena", "64M"}};
    options.observe.snapshot_at_end = true;
    return options;
}

}  // namespace

TEST_CASE("all models replay a trace without breaking a law") {
    const trace::Trace trace = random_trace(5000);
    const Result result = replay::replay(trace, options_for({"slub", "malloc", "buddy"}));
    REQUIRE(result.allocators.size() == 3);
    for (const AllocatorResult& allocator : result.allocators) {
        CAPTURE(allocator.name, allocator.observed.violation.value_or("none"));
        CHECK_FALSE(allocator.observed.violation);
        CHECK(allocator.observed.failures == 0);
        CHECK(result.measured_of(allocator.name).throughput.size() == 1);
        CHECK(allocator.observed.checks >= 2);
    }
    CHECK(result.allocators[0].observed.operations == 5000);
    CHECK(result.allocators[2].observed.operations == 300);
    CHECK(result.not_replayed == 0);
    CHECK(result.allocators[2].part == Part::pages);
    CHECK(result.allocators[0].observed.timeline.back().requested_bytes ==
          result.allocators[1].observed.timeline.back().requested_bytes);
}

TEST_CASE("observing twice gives the same paths, addresses, timeline and snapshots") {
    const trace::Trace trace = random_trace(3000);
    Options options = options_for({"slub", "buddy"});
    options.repetitions = 0;
    const Result first = replay::replay(trace, options);
    const Result second = replay::replay(trace, options);
    for (std::size_t i = 0; i < 2; ++i) {
        const Observation& a = first.allocators[i].observed;
        const Observation& b = second.allocators[i].observed;
        CAPTURE(first.allocators[i].name);
        CHECK(a.allocations == b.allocations);
        CHECK(a.frees == b.frees);
        REQUIRE(a.address_hash);
        CHECK(a.address_hash == b.address_hash);
        REQUIRE(a.timeline.size() == b.timeline.size());
        for (std::size_t m = 0; m < a.timeline.size(); ++m) {
            CHECK(a.timeline[m].held_bytes == b.timeline[m].held_bytes);
            CHECK(a.timeline[m].free_blocks == b.timeline[m].free_blocks);
        }
        REQUIRE(a.snapshots.size() == 1);
        REQUIRE_FALSE(a.snapshots[0].texts.empty());
        for (std::size_t t = 0; t < a.snapshots[0].texts.size(); ++t) {
            CHECK(a.snapshots[0].texts[t].content == b.snapshots[0].texts[t].content);
        }
    }
}

TEST_CASE("the addresses of another trace hash to something else") {
    Options options = options_for({"buddy"});
    options.repetitions = 0;
    const auto first = replay::replay(random_trace(1000), options);
    TraceBuilder other;
    other.page_alloc(0, 0);
    CHECK(first.allocators[0].observed.address_hash !=
          replay::replay(other.trace(), options).allocators[0].observed.address_hash);
}

TEST_CASE("memory too small makes allocations fail, and the replay goes on") {
    TraceBuilder builder;
    for (std::uint32_t i = 0; i < 40; ++i) builder.page_alloc(i, 9);
    for (std::uint32_t i = 0; i < 40; ++i) builder.page_free(i, 9);
    Options options = options_for({"buddy"});
    options.settings = {{"machine.arena", "32M"}};
    const Observation seen = replay::replay(builder.trace(), options).allocators[0].observed;
    CHECK(seen.failures > 0);
    CHECK(seen.frees_skipped == seen.failures);
    CHECK(seen.allocations[static_cast<std::size_t>(Path::failed)] == seen.failures);
    CHECK_FALSE(seen.violation);
}

TEST_CASE("a replay has as many CPUs as the trace, at least two, unless told otherwise") {
    using Settings = std::vector<Setting>;
    CHECK(with_cpus(Settings{}, 1).at(0).value == "2");
    CHECK(with_cpus(Settings{}, 7).at(0).value == "7");
    CHECK(with_cpus(Settings{{"machine.cpus", "9"}}, 7).size() == 1);
    CHECK_THROWS_WITH(with_cpus(Settings{{"machine.cpus", "3"}}, 4),
                      "machine.cpus=3: the trace runs on CPUs 0 to 3, so at least 4 are needed");
}

TEST_CASE("a trace without anything for a layer is refused") {
    TraceBuilder builder{"pages-only"};
    builder.page_alloc(0, 0);
    CHECK_THROWS_WITH(replay::replay(builder.trace(), options_for({"slub"})),
                      "pages-only: allocator slub replays objects, and the trace has none");
}

TEST_CASE("unknown names are refused with those that are valid") {
    TraceBuilder builder;
    builder.kmalloc(0, 8);
    CHECK_THROWS_WITH(replay::replay(builder.trace(), options_for({"slob9"})),
                      Contains("slub, ") && Contains("buddy, ") && Contains("malloc"));
    Options options = options_for({"slub"});
    options.settings.push_back({"slub.nonsense", "1"});
    CHECK_THROWS_WITH(replay::replay(builder.trace(), options), Contains("slub.nonsense"));
}

TEST_CASE("operations of layers that nobody here replays are counted") {
    TraceBuilder builder;
    builder.kmalloc(0, 8).area_alloc(0, 3).page_alloc(0, 0);
    Options options = options_for({"slub"});
    options.repetitions = 0;
    CHECK(replay::replay(builder.trace(), options).not_replayed == 2);
}

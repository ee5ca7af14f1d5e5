#include <catch2/catch.hpp>
#include <functional>

#include "bench/replay/object_target.hpp"
#include "bench/replay/observer.hpp"
#include "tests/replay/replay_support.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;
using Catch::StartsWith;

namespace {

using Target = ObjectTarget<FaultyModel>;

Observation observe(const TraceBuilder& builder, const FaultyModel::Config& config = {},
                    const ObserveOptions& options = {}) {
    const Workload work = workload_of(builder.trace(), Part::objects);
    Target target{config, work};
    return Observer<Target>{target, work, options}.run();
}

/// Three objects, of which one is freed in the trace and one comes from a cache.
TraceBuilder three_objects() {
    TraceBuilder builder;
    const auto cache = builder.cache("inode", 120);
    builder.kmalloc(0, 64).kmalloc(1, 16, GFP_KERNEL | __GFP_ZERO).kfree(0, 64).cache_alloc(0, cache);
    return builder;
}

std::uint64_t count_of(const PathCounts& counts, Path path) {
    return counts[static_cast<std::size_t>(path)];
}

}  // namespace

TEST_CASE("paths of allocations and frees are counted as the allocator tells them") {
    const Observation seen = observe(three_objects());
    CHECK(seen.operations == 4);
    CHECK(count_of(seen.allocations, Path::new_slab) == 1);
    CHECK(count_of(seen.allocations, Path::fast) == 2);
    // Frees of the trace alone, not those that end what it left.
    CHECK(count_of(seen.frees, Path::fast) == 1);
    CHECK(seen.failures == 0);
    CHECK_FALSE(seen.violation);
}

TEST_CASE("the timeline tells requested, handed out and held bytes") {
    const Observation seen = observe(three_objects());
    REQUIRE(seen.timeline.size() == 5);
    CHECK(seen.timeline[0].requested_bytes == 0);
    CHECK(seen.timeline[2].operation == 2);
    CHECK(seen.timeline[2].time_s == Approx(0.002));
    CHECK(seen.timeline[2].requested_bytes == 80);
    CHECK(seen.timeline[2].handed_out_bytes == 2 * FaultyModel::usable);
    CHECK(seen.timeline[3].requested_bytes == 16);
    CHECK(seen.timeline[4].requested_bytes == 136);
    CHECK(seen.timeline[4].held_bytes == 3 * FaultyModel::usable);
    CHECK(seen.timeline[4].free_blocks.value()[3] == 100);
}

TEST_CASE("a long trace is sampled about as often as asked") {
    TraceBuilder builder;
    for (int i = 0; i < 1000; ++i) builder.kmalloc(0, 8).kfree(0, 8);
    ObserveOptions options;
    options.moments = 10;
    CHECK(observe(builder, {}, options).timeline.size() == 11);
}

TEST_CASE("an allocation that fails is counted, and its free is skipped") {
    FaultyModel::Config config;
    config.fail_at = 0;
    const Observation seen = observe(three_objects(), config);
    CHECK(seen.failures == 1);
    CHECK(seen.frees_skipped == 1);
    CHECK(count_of(seen.allocations, Path::failed) == 1);
    CHECK(count_of(seen.frees, Path::fast) == 0);
    CHECK_FALSE(seen.violation);
}

TEST_CASE("a request of size 0 is neither a failure nor written to") {
    TraceBuilder builder;
    builder.kmalloc(0, 0).kfree(0, 0);
    FaultyModel::Config config;
    config.fail_at = 0;
    const Observation seen = observe(builder, config);
    CHECK(seen.failures == 0);
    CHECK(seen.frees_skipped == 0);
    CHECK_FALSE(seen.violation);
}

TEST_CASE("an address given out twice is a violation of G1 at that operation") {
    FaultyModel::Config config;
    config.repeat_at = 1;
    const Observation seen = observe(three_objects(), config);
    REQUIRE(seen.violation);
    CHECK_THAT(*seen.violation, StartsWith("G1: "));
    CHECK_THAT(*seen.violation, Catch::EndsWith("(at operation 1 of 4)"));
}

TEST_CASE("a write into a live object is a violation of G4 when that is freed") {
    FaultyModel::Config config;
    config.scribble_at = 1;
    const Observation seen = observe(three_objects(), config);
    REQUIRE(seen.violation);
    CHECK_THAT(*seen.violation, StartsWith("G4: ") && Catch::EndsWith("(at operation 2 of 4)"));
}

TEST_CASE("a request for zeroes that is not honoured is a violation of G5") {
    FaultyModel::Config config;
    config.zeroes = false;
    const Observation seen = observe(three_objects(), config);
    REQUIRE(seen.violation);
    CHECK_THAT(*seen.violation, StartsWith("G5: "));
}

TEST_CASE("free blocks that do not come back are a violation of B16") {
    FaultyModel::Config config;
    config.leaks = true;
    const Observation seen = observe(three_objects(), config);
    REQUIRE(seen.violation);
    CHECK_THAT(*seen.violation, StartsWith("B16: ") && Catch::Contains("of order 3 there are 97"));
}

TEST_CASE("the allocator's own laws are checked as often as asked, and at the end") {
    TraceBuilder builder;
    for (int i = 0; i < 50; ++i) builder.kmalloc(0, 8).kfree(0, 8);
    ObserveOptions options;
    options.check_every = 10;
    // Nine times on the way, once behind the last operation, once when all is freed and drained.
    CHECK(observe(builder, {}, options).checks == 11);
    options.check_every = 0;
    CHECK(observe(builder, {}, options).checks == 2);

    FaultyModel::Config config;
    config.break_at = 21;
    options.check_every = 10;
    const Observation seen = observe(builder, config, options);
    REQUIRE(seen.violation);
    CHECK(*seen.violation == "U1: planted (at operation 50 of 100)");
}

TEST_CASE("snapshots are taken when asked, and at the end before all is freed") {
    ObserveOptions options;
    options.snapshots = {0, 2};
    options.snapshot_at_end = true;
    const Observation seen = observe(three_objects(), {}, options);
    REQUIRE(seen.snapshots.size() == 3);
    CHECK(seen.snapshots[0].operation == 0);
    CHECK(seen.snapshots[1].texts.at(0).content == "2");
    CHECK(seen.snapshots[2].operation == 4);
    CHECK(seen.snapshots[2].texts.at(0).content == "3");
}

TEST_CASE("who is interrupted stops early and reports no violation") {
    ObserveOptions options;
    options.interrupted = [] { return true; };
    const Observation seen = observe(three_objects(), {}, options);
    CHECK_FALSE(seen.violation);
    CHECK(seen.checks == 0);
}

#include <catch2/catch.hpp>

#include "bench/replay/object_target.hpp"
#include "bench/replay/session.hpp"
#include "bench/replay/target_session.hpp"
#include "tests/replay/replay_support.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;

namespace {

TraceBuilder pairs(int count) {
    TraceBuilder builder;
    const auto cache = builder.cache("file", 200);
    for (int i = 0; i < count; ++i)
        builder.kmalloc(0, 64).cache_alloc(1, cache).kfree(0, 64).cache_free(1, cache);
    return builder;
}

}  // namespace

TEST_CASE("a latency pass has a sample and a path for each operation") {
    const Workload work = workload_of(pairs(10).trace(), Part::objects);
    TargetSession<ObjectTarget<FaultyModel>> session{{}, work};
    session.warm_up();
    LatencySamples samples{work.operations.size()};
    session.latency_pass(samples);
    LatencyBook book;
    const auto means = book.enter(work, samples, TimerCost{});
    CHECK(means.size() == 4);
    CHECK(book.by_kind().at({trace::Kind::kmalloc}).count() == 10);
    CHECK(book.by_kind().at({trace::Kind::kmem_cache_free}).count() == 10);
    CHECK(book.by_path().at({{trace::Kind::kfree}, Path::fast}).count() == 10);
}

TEST_CASE("what was not got has no sample") {
    TraceBuilder builder;
    builder.kmalloc(0, 64).kfree(0, 64);
    const Workload work = workload_of(builder.trace(), Part::objects);
    FaultyModel::Config config;
    config.fail_at = 1;  // the warm-up does allocation 0
    TargetSession<ObjectTarget<FaultyModel>> session{config, work};
    session.warm_up();
    LatencySamples samples{work.operations.size()};
    session.latency_pass(samples);
    LatencyBook book;
    CHECK(book.enter(work, samples, TimerCost{}).size() == 1);
    CHECK(book.by_path().count({{trace::Kind::kmalloc}, Path::failed}) == 1);
}

TEST_CASE("samples are entered without the timer's own cost") {
    TraceBuilder builder;
    builder.kmalloc(0, 64).kfree(0, 64);
    const Workload work = workload_of(builder.trace(), Part::objects);
    LatencySamples samples{2};
    samples.set(0, 130, Path::fast);
    samples.set(1, 20, Path::fast);
    LatencyBook book;
    const auto means = book.enter(work, samples, TimerCost{.ns_per_tick = 1, .overhead_ticks = 30});
    CHECK(means.at({trace::Kind::kmalloc}) == Approx(100));
    CHECK(book.by_kind().at({trace::Kind::kmalloc}).max() == 100);
    CHECK(book.by_kind().at({trace::Kind::kfree}).max() == 0);
}

TEST_CASE("the harness alone performs every part") {
    TraceBuilder builder = pairs(3);
    builder.page_alloc(0, 1).page_free(0, 1).area_alloc(0, 5, 2).area_free(0, 5).purge(1);
    for (const Part part : {Part::objects, Part::pages, Part::areas, Part::stacks}) {
        const Workload work = workload_of(builder.trace(), part);
        const auto session = open_null_session(work);
        session->warm_up();
        const PassTime time = session->throughput_pass();
        CHECK(time.wall_ns >= 0);
    }
}

TEST_CASE("each model replays the part of its capabilities") {
    CHECK(part_of("malloc") == Part::objects);
    CHECK(part_of("slub") == Part::objects);
    CHECK(part_of("buddy") == Part::pages);
    CHECK_THROWS_AS(part_of("none"), UsageError);
}

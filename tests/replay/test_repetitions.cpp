#include <catch2/catch.hpp>

#include "allocators/base/check.hpp"
#include "bench/replay/replay.hpp"
#include "bench/replay/report.hpp"
#include "tests/replay/replay_support.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;

namespace {

trace::Trace tiny() {
    TraceBuilder builder{"tiny"};
    const auto cache = builder.cache("dentry", 192);
    builder.kmalloc(0, 100).cache_alloc(1, cache).kfree(0, 100).page_alloc(0, 3, 1).page_free(0, 3);
    return builder.trace();
}

Options options_for(unsigned repetitions) {
    Options options;
    options.allocators = {"slub", "malloc", "buddy"};
    options.repetitions = repetitions;
    options.settings = {{"machine.cpus", "2"}};
    return options;
}

/// Interrupts behind so many repetitions, in the middle of the next.
Result interrupted_behind(unsigned repetitions) {
    Options options = options_for(100);
    unsigned asked = 0;
    bool measuring = false;
    options.progress = [&](const Stage& stage) {
        if (stage.what == "measure" && stage.done == repetitions) measuring = true;
    };
    options.interrupted = [&] { return measuring && ++asked == 3; };
    return replay::replay(tiny(), options);
}

}  // namespace

TEST_CASE("an interrupt leaves as many repetitions of all") {
    const Result result = interrupted_behind(3);
    CHECK(result.interrupted);
    CHECK(result.measured.count == 3);
    for (const char* name : {"slub", "malloc", "buddy"}) {
        const Measured& measured = result.measured_of(name);
        CHECK(measured.throughput.size() == 3);
        CHECK(measured.means.size() == 3);
        for (const auto& [kind, histogram] : measured.latency.by_kind()) CHECK(histogram.count() == 3);
    }
    for (const auto& [part, times] : result.measured.harness) CHECK(times.size() == 3);
}

TEST_CASE("repetitions are read as they were written") {
    const Repetitions before = interrupted_behind(2).measured;
    const Json written = to_json(before);
    const Repetitions read = repetitions_of(Json::parse(written.dump()));
    CHECK(to_json(read) == written);
    CHECK(read.timer.overhead_ticks == before.timer.overhead_ticks);
    for (const auto& [name, measured] : before.allocators) {
        const auto kinds = measured.latency.by_kind();
        const auto again = read.allocators.at(name).latency.by_kind();
        REQUIRE(again.size() == kinds.size());
        for (const auto& [kind, histogram] : kinds) {
            CHECK(again.at(kind).filled() == histogram.filled());
            CHECK(again.at(kind).mean() == histogram.mean());
            CHECK(again.at(kind).max() == histogram.max());
        }
    }
    Json broken = written;
    broken["harness"][0][0] = part_count;
    CHECK_THROWS_AS(repetitions_of(broken), UsageError);
    broken.erase("harness");
    CHECK_THROWS_AS(repetitions_of(broken), Json::exception);
}

TEST_CASE("a replay goes on behind the repetitions of an interrupted one") {
    const Repetitions before = interrupted_behind(2).measured;
    Options options = options_for(5);
    options.before = before;
    const Result result = replay::replay(tiny(), options);
    CHECK_FALSE(result.interrupted);
    CHECK(result.measured.count == 5);
    CHECK(result.measured.timer.ns_per_tick == before.timer.ns_per_tick);
    for (const auto& [name, measured] : before.allocators) {
        const Measured& now = result.measured_of(name);
        REQUIRE(now.throughput.size() == 5);
        CHECK(now.throughput[1].cpu_ns == measured.throughput[1].cpu_ns);
        CHECK(now.means[1] == measured.means[1]);
        for (const auto& [kind, histogram] : now.latency.by_kind()) CHECK(histogram.count() == 5);
    }
    options.repetitions = 2;
    CHECK(replay::replay(tiny(), options).measured.count == 2);
    options.before.timer.ns_per_tick *= 2;
    CHECK_THROWS_WITH(replay::replay(tiny(), options), Catch::Contains("when the run was interrupted"));
    options = options_for(5);
    options.before = before;
    options.settings.push_back({"slub.cpu_partial", "0"});
    CHECK_THROWS_WITH(replay::replay(tiny(), options), Catch::StartsWith("slub: expected what it did"));
    options = options_for(5);
    options.before = before;
    options.allocators.pop_back();
    CHECK_THROWS_WITH(replay::replay(tiny(), options),
                      Catch::Contains("buddy,malloc,slub; found malloc,slub"));
}

// The kernel stacks of a trace, replayed by every kind of them.
#include <catch2/catch.hpp>

#include "bench/replay/replay.hpp"
#include "tests/replay/replay_support.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;

namespace {

constexpr std::uint32_t tasks = 30;

/// Thirty tasks at once, then one after the other; beside them areas that are no stacks.
trace::Trace forks() {
    TraceBuilder builder{"forks"};
    builder.area_alloc(tasks, 9, 0);
    for (std::uint32_t i = 0; i < tasks; ++i) builder.area_alloc(i, stack_pages, stack_align_order);
    for (std::uint32_t i = 0; i < tasks; ++i) builder.area_free(i, stack_pages, 0);
    for (std::uint32_t i = 0; i < tasks; ++i) {
        builder.area_alloc(0, stack_pages, stack_align_order);
        builder.area_free(0, stack_pages, 0);
    }
    builder.area_alloc(1, stack_pages, stack_align_order);
    return builder.trace();
}

Result replayed() {
    Options options;
    options.allocators = {"kstack-direct", "kstack-vmap", "kstack-vmap-uncached", "kstack-dynamic"};
    options.repetitions = 1;
    options.settings = {{"machine.arena", "16M"}};
    options.observe.check_every = 7;
    options.observe.snapshot_at_end = true;
    return replay::replay(forks(), options);
}

}  // namespace

TEST_CASE("every kind of stacks replays the stacks of a trace, and only a kind with slots reuses them") {
    const Result result = replayed();
    REQUIRE(result.allocators.size() == 4);
    CHECK(result.not_replayed == 1);
    for (const AllocatorResult& kind : result.allocators) {
        INFO(kind.name);
        CHECK(kind.observed.violation.value_or("") == "");
        CHECK(to_string(kind.part) == "stacks");
        CHECK(kind.observed.operations == 4 * tasks + 1);
        CHECK(kind.observed.failures == 0);
        CHECK(kind.observed.frees_skipped == 0);
        const bool has_slots = kind.name == "kstack-vmap" || kind.name == "kstack-dynamic";
        CHECK(kind.observed.allocations[static_cast<std::size_t>(Path::fast)] == (has_slots ? tasks + 1 : 0));
    }
}

TEST_CASE("tasks ask for their depth, and only dynamic stacks hold little more") {
    const Result result = replayed();
    for (const AllocatorResult& kind : result.allocators) {
        INFO(kind.name);
        std::uint64_t most_requested = 0;
        std::uint64_t most_held = 0;
        for (const Moment& moment : kind.observed.timeline) {
            most_requested = std::max(most_requested, moment.requested_bytes);
            most_held = std::max(most_held, moment.held_bytes);
        }
        CHECK(most_requested > tasks * 2048);
        CHECK(most_requested < tasks * 4096);
        if (kind.name == "kstack-dynamic") {
            CHECK(most_held < tasks * 8192);
        } else {
            CHECK(most_held >= tasks * 16384);
        }
    }
}

TEST_CASE("a snapshot tells of stacks what the kernel's files and slots say") {
    const Result result = replayed();
    for (const AllocatorResult& kind : result.allocators) {
        INFO(kind.name);
        REQUIRE(kind.observed.snapshots.size() == 1);
        std::string all;
        for (const Text& text : kind.observed.snapshots[0].texts) all += text.name + "\n" + text.content;
        CHECK_THAT(all, Catch::Contains("proc/meminfo\nKernelStack:          16 kB\n"));
        CHECK_THAT(all, Catch::Contains("kstack\ntasks 1, in slots "));
    }
}

TEST_CASE("the slots of kernel stacks serve about as many forks as the recorded kernel's did") {
    const trace::Trace forkstorm = trace::read_trace("bench/traces/forkstorm.trace.zst");
    constexpr std::uint64_t forks = 401;
    constexpr std::uint64_t areas_of_kernel = 365;  // recorded beside them
    Options options;
    options.allocators = {"kstack-vmap", "kstack-dynamic"};
    options.repetitions = 0;
    const Result result = replay::replay(forkstorm, options);
    for (const AllocatorResult& kind : result.allocators) {
        INFO(kind.name);
        const PathCounts& made = kind.observed.allocations;
        const std::uint64_t areas = made[static_cast<std::size_t>(Path::large)];
        CHECK(kind.observed.violation.value_or("") == "");
        CHECK(areas + made[static_cast<std::size_t>(Path::fast)] == forks);
        CHECK(areas >= areas_of_kernel);
        CHECK(areas <= areas_of_kernel + 10);
    }
}

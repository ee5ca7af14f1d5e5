/// The peers' mallocs replay beside the models of the registry; who is absent is named.
#include <catch2/catch.hpp>

#include "bench/replay/models.hpp"
#include "bench/replay/replay.hpp"
#include "bench/replay/report.hpp"
#include "tests/contract/allocator_laws.hpp"
#include "tests/replay/replay_support.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;
using Catch::Contains;

namespace {

/// Allocations and frees of many sizes, some of zeroed memory, on two CPUs.
trace::Trace churn() {
    TraceBuilder made;
    const std::uint32_t cache = made.cache("filp", 184);
    for (std::uint32_t i = 0; i < 2000; ++i) {
        if (i >= 50) {
            const std::uint32_t old = i - 50;
            if (old % 3 == 0) {
                made.cache_free(old % 50, cache, i % 2);
            } else {
                made.kfree(old % 50, 8 + old % 700, i % 2);
            }
        }
        const Gfp gfp = i % 5 == 0 ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL;
        if (i % 3 == 0) {
            made.cache_alloc(i % 50, cache, gfp);
        } else {
            made.kmalloc(i % 50, 8 + i % 700, gfp);
        }
    }
    return made.trace();
}

}  // namespace

TEST_CASE("the peers have names, tunables and a part, and are not of the registry") {
    for (const std::string name : {"jemalloc", "mimalloc", "tcmalloc"}) {
        CHECK(part_of(name) == Part::objects);
        REQUIRE(replay_tunables_of(name).size() == 1);
        CHECK(replay_tunables_of(name).front().key == "machine.cpus");
        CHECK_THROWS_WITH(tunables_of(name), Contains("no allocator"));
        CHECK_NOTHROW(check_replay_settings(std::vector<Setting>{{"machine.cpus", "4"}}, std::vector{name}));
        CHECK_THROWS_WITH(
            check_replay_settings(std::vector<Setting>{{"machine.arena", "1G"}}, std::vector{name}),
            Contains("machine.arena") && Contains("machine.cpus"));
    }
    CHECK_THROWS_WITH(part_of("nobody"), Contains("slub, ") && Contains(", jemalloc, mimalloc, tcmalloc"));
    CHECK(why_absent("slub").empty());
}

TEST_CASE("a peer that is here replays, one that is not is skipped and named") {
    const trace::Trace trace = churn();
    Options options;
    options.allocators = {"slub", "jemalloc", "mimalloc", "tcmalloc"};
    options.repetitions = 2;
    options.observe.check_every = 100;
    const Result result = replay::replay(trace, options);
    CHECK(result.allocators.size() + result.skipped.size() == 4);
    for (const AllocatorResult& allocator : result.allocators) {
        CAPTURE(allocator.name);
        CHECK(why_absent(allocator.name).empty());
        CHECK(allocator.observed.violation.value_or("") == "");
        CHECK(allocator.observed.failures == 0);
        CHECK(result.measured_of(allocator.name).throughput.size() == 2);
    }
    for (const Skipped& peer : result.skipped) CHECK(peer.why == why_absent(peer.name));
}

TEST_CASE("nothing is left to replay where all peers that were asked for are absent") {
    for (const std::string name : {"jemalloc", "mimalloc", "tcmalloc"}) {
        Options options;
        options.allocators = {name};
        options.repetitions = 0;
        const std::string why = why_absent(name);
        const trace::Trace trace = churn();
        if (why.empty()) {
            CHECK_NOTHROW(replay::replay(trace, options));
        } else {
            CHECK_THROWS_WITH(replay::replay(trace, options), Contains(name) && Contains(why));
        }
    }
}

TEST_CASE("the reports name who was skipped, and why") {
    Result result;
    result.skipped = {{"mimalloc", "no such file"}};
    const trace::Trace trace = churn();
    CHECK_THAT(to_text(result, trace), Contains("skipped mimalloc: no such file\n"));
    CHECK(to_json(result, trace, "f", "c")["replay"]["skipped"] ==
          Json::parse(R"([{"name": "mimalloc", "absent": "no such file"}])"));
}

TEMPLATE_TEST_CASE("a peer keeps the laws of the contract", "", peers::Jemalloc, peers::Mimalloc,
                   peers::Tcmalloc) {
    using Peer = peers::PeerMalloc<TestType>;
    if (const std::string why = why_absent(TestType::name); !why.empty()) {
        WARN("skipped: " << TestType::name << ": " << why);
        return;
    }
    const auto subject = test::plain_subject<Peer>();
    CHECK(test::text(test::serves_all_sizes(subject)) == "");
    CHECK(test::text(test::takes_back_nothing(subject)) == "");
    CHECK(test::text(test::aligns(subject)) == "");
    CHECK(test::text(test::zeroes_what_was_dirty(subject)) == "");
    CHECK(test::text(test::survives_churn(subject)) == "");
}

TEST_CASE("what a peer says that it holds grows with what it has given") {
    for_each_model(
        [&]<class M>() {
            CAPTURE(M::info.name);
            if (!why_absent(M::info.name).empty()) return;
            M peer{typename M::Config{}};
            std::vector<void*> objects;
            for (int i = 0; i < 10'000; ++i) {
                objects.push_back(peer.allocate({.size = 8192, .gfp = GFP_KERNEL}));
                REQUIRE(objects.back() != nullptr);
            }
            CHECK(peer.stats().held_bytes > 60'000'000);
            CHECK(peer.stats().held_bytes < 200'000'000);
            for (void* p : objects) peer.deallocate(p, CpuId{0});
        },
        peers::PeerModels{});
}

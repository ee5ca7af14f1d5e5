/// The example of docs/adding-an-allocator.md, cut out of the page.
#include <catch2/catch.hpp>

#include "allocators/contract/any_allocator.hpp"
#include "allocators/contract/registry.hpp"
#include "bench/replay/object_target.hpp"
#include "bench/replay/target_session.hpp"
#include "example/shelves.hpp"
#include "tests/contract/allocator_laws.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;

TEST_CASE("the page's allocator is one line in a list of models") {
    std::string names;
    for_each_model([&]<class M>() { names += std::string{M::info.name} + " "; },
                   ModelList<LibcMalloc, Shelves>{});
    CHECK(names == "malloc shelves ");
    AnyAllocator erased =
        AnyAllocator::of<Shelves>(configure<Shelves>(std::vector<Setting>{{"machine.arena", "1M"}}));
    CHECK(erased.allocate({.size = 100}) != nullptr);
    CHECK(erased.allocate({.size = std::size_t{1} << 20}) == nullptr);
    CHECK_FALSE(erased.find_violation());
}

TEST_CASE("the page's allocator keeps the laws of the contract") {
    const auto subject = test::plain_subject<Shelves>();
    CHECK(test::text(test::serves_all_sizes(subject)) == "");
    CHECK(test::text(test::survives_absurd_sizes(subject)) == "");
    CHECK(test::text(test::takes_back_nothing(subject)) == "");
    CHECK(test::text(test::aligns(subject)) == "");
    CHECK(test::text(test::zeroes_what_was_dirty(subject)) == "");
    CHECK(test::text(test::survives_churn(subject)) == "");
    CHECK(test::text(test::counts_failures(subject)) == "");
    CHECK(test::text(test::tells_the_last_path(subject)) == "");
    CHECK(test::text(test::repeats_itself(subject)) == "");
}

TEST_CASE("the page's allocator serves a recorded kernel and breaks no law") {
    const trace::Trace trace = trace::read_trace("bench/traces/make-j2.trace.zst");
    const Workload work = workload_of(trace, trace::Layer::objects);
    TargetSession<ObjectTarget<Shelves>> session{{}, work};
    const Observation seen = session.observe({});
    CHECK(seen.violation.value_or("") == "");
    CHECK(seen.failures == 0);
    CHECK(seen.checks > 10);
    CHECK(seen.allocations[static_cast<std::size_t>(Path::fast)] > 1000);
    CHECK(seen.allocations[static_cast<std::size_t>(Path::new_slab)] > 1000);
}

TEST_CASE("the page's allocator names a head that was overwritten") {
    Shelves shelves{Shelves::Config{}};
    auto* const object = static_cast<unsigned char*>(shelves.allocate({.size = 48}));
    CHECK_FALSE(shelves.find_violation());
    object[-8] ^= 0xff;
    CHECK(shelves.find_violation().value().law == "G1");
}

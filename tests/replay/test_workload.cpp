#include <catch2/catch.hpp>

#include "bench/replay/workload.hpp"
#include "tests/replay/replay_support.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;

TEST_CASE("a workload holds the operations of its layer alone, with their times") {
    TraceBuilder builder;
    builder.kmalloc(0, 64).page_alloc(0, 0).kfree(0, 64).area_alloc(0, 3);
    const Workload objects = workload_of(builder.trace(), Part::objects);
    REQUIRE(objects.operations.size() == 2);
    CHECK(objects.operations[1].kind() == trace::Kind::kfree);
    CHECK(objects.times == std::vector<std::uint64_t>{0, 2'000'000});
    CHECK(workload_of(builder.trace(), Part::pages).operations.size() == 1);
}

TEST_CASE("a free on another CPU than the allocation that it ends is a kind of its own") {
    TraceBuilder builder;
    builder.kmalloc(0, 64, GFP_KERNEL, 1).kmalloc(1, 64).kfree(0, 64, 0).kfree(1, 64, 0);
    builder.kmalloc(0, 64).kfree(0, 64, 0);  // the number again, on the same CPU now
    const Workload objects = workload_of(builder.trace(), Part::objects);
    CHECK(objects.other_cpu == std::vector<bool>{false, false, true, false, false, false});
    CHECK(to_string(objects.kind(2)) == "kfree-other-cpu");
    CHECK(to_string(objects.kind(3)) == "kfree");
}

TEST_CASE("what is never freed is freed behind the end, by the call that belongs to it") {
    TraceBuilder builder;
    const auto cache = builder.cache("dentry", 192);
    builder.kmalloc(0, 64, GFP_KERNEL, 1).cache_alloc(1, cache).kmalloc(2, 8).kfree(2, 8).page_alloc(0, 3);
    const Workload objects = workload_of(builder.trace(), Part::objects);
    REQUIRE(objects.leftovers.size() == 2);
    CHECK(objects.leftovers[0].kind() == trace::Kind::kfree);
    CHECK(objects.leftovers[0].cpu() == CpuId{1});
    CHECK(objects.leftovers[1].kind() == trace::Kind::kmem_cache_free);
    CHECK(objects.leftovers[1].cache() == cache);
    const Workload pages = workload_of(builder.trace(), Part::pages);
    REQUIRE(pages.leftovers.size() == 1);
    CHECK(pages.leftovers[0].order() == Order{3});
}

TEST_CASE("page requests ask for the migrate type that was recorded") {
    CHECK(with_migrate_type(GFP_HIGHUSER_MOVABLE, 0) == GFP_HIGHUSER);
    CHECK(with_migrate_type(GFP_KERNEL, 1) == (GFP_KERNEL | __GFP_MOVABLE));
    CHECK(with_migrate_type(GFP_KERNEL | __GFP_MOVABLE, 2) == (GFP_KERNEL | __GFP_RECLAIMABLE));
    CHECK(with_migrate_type(GFP_HIGHUSER_MOVABLE, 4) == GFP_HIGHUSER_MOVABLE);
    CHECK(with_migrate_type(GFP_KERNEL | __GFP_MOVABLE | __GFP_RECLAIMABLE, 4) == GFP_KERNEL);

    TraceBuilder builder;
    builder.page_alloc(0, 2, 2, GFP_KERNEL, 1);
    const Workload pages = workload_of(builder.trace(), Part::pages);
    CHECK(pages.operations[0].gfp() == (GFP_KERNEL | __GFP_RECLAIMABLE));
    CHECK(pages.operations[0].order() == Order{2});
    CHECK(pages.operations[0].cpu() == CpuId{1});
}

TEST_CASE("areas are all of vmalloc's events, stacks those of areas that look like one") {
    TraceBuilder builder;
    builder.area_alloc(0, 5, 2).area_alloc(1, 5).area_free(0, 5, 1).area_alloc(0, 9, 2).purge(1);
    const Workload areas = workload_of(builder.trace(), Part::areas);
    CHECK(areas.operations.size() == 5);
    CHECK(areas.leftovers.size() == 2);
    const Workload stacks = workload_of(builder.trace(), Part::stacks);
    REQUIRE(stacks.operations.size() == 2);
    CHECK(is_stack(stacks.operations[0]));
    CHECK(stacks.kind(1) == OperationKind{trace::Kind::vmap_free, true});
    CHECK(stacks.leftovers.empty());
}

TEST_CASE("where tasks are named, stacks are theirs, and what a kernel's cache of stacks hides is seen") {
    TraceBuilder builder;
    const std::uint32_t files = builder.cache("filp", 184);
    const std::uint32_t tasks = builder.cache("task_struct", 5952);
    builder.cache_alloc(0, files).cache_alloc(1, tasks).area_alloc(0, 5, 2);
    builder.cache_free(1, tasks, 1).cache_alloc(1, tasks);
    const Workload stacks = workload_of(builder.trace(), Part::stacks);
    REQUIRE(stacks.operations.size() == 3);
    CHECK(stacks.layer == trace::Layer::objects);
    CHECK(std::all_of(stacks.operations.begin(), stacks.operations.end(), is_stack));
    CHECK(stacks.kind(0) == OperationKind{trace::Kind::vmap_alloc, false});
    CHECK(stacks.kind(1) == OperationKind{trace::Kind::vmap_free, true});
    CHECK(stacks.leftovers.size() == 1);
}

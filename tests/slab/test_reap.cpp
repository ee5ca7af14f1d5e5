#include <catch2/catch.hpp>

#include <vector>

#include "allocators/slab/slab.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
using Machine = Slab<OwnedCpus>;

}  // namespace

// What each call takes back: tests/golden, reap files.
TEST_CASE("the clock runs every CPU's reaper: first after a second, then every two") {
    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{2};
    MisuseLog log;
    Machine slab{pages, cpus, {}, log};
    auto& cache = *slab.kmem_cache_create({.name = "timed", .size = 512});
    std::vector<void*> objects(30);
    for (const CpuId c : {CpuId{0}, CpuId{1}}) {
        REQUIRE(slab.kmem_cache_alloc_bulk(cache, GFP_KERNEL, objects, c) == objects.size());
        slab.kmem_cache_free_bulk(cache, objects, c);
    }
    const std::uint32_t held = cache.arrays[CpuId{0}].avail;
    REQUIRE(held >= 30);
    REQUIRE(cache.arrays[CpuId{1}].avail == held);
    slab.advance_clock(99);
    CHECK(cache.arrays[CpuId{0}].touched);
    slab.advance_clock(1);
    CHECK_FALSE(cache.arrays[CpuId{0}].touched);
    CHECK(cache.arrays[CpuId{1}].touched);
    slab.advance_clock(3);
    CHECK_FALSE(cache.arrays[CpuId{1}].touched);
    CHECK(cache.arrays[CpuId{0}].avail == held);
    slab.advance_clock(197);
    CHECK(slab.now() == 300);
    CHECK(cache.arrays[CpuId{0}].avail == held - (54 + 4) / 5);
    CHECK(cache.arrays[CpuId{1}].avail == held);
    slab.advance_clock(120 * jiffies_per_second);
    CHECK(cache.arrays[CpuId{0}].avail == 0);
    CHECK(cache.arrays[CpuId{1}].avail == 0);
    CHECK(pages.held_pages() == 0);
    CHECK(slab.find_violation() == std::nullopt);
}

TEST_CASE("the node's reaper empties the shared array and spares free slabs in use") {
    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{2};
    MisuseLog log;
    Machine slab{pages, cpus, {}, log};
    auto& cache = *slab.kmem_cache_create({.name = "shared", .size = 512});
    std::vector<void*> objects(108);
    REQUIRE(slab.kmem_cache_alloc_bulk(cache, GFP_KERNEL, objects, cpu) == objects.size());
    slab.kmem_cache_free_bulk(cache, objects, cpu);
    const std::uint32_t before = cache.node.shared.avail;
    REQUIRE(before > 44);
    cache.node.shared.touched = true;
    cache.node.free_touched = true;
    cache.node.next_reap = 500;
    slab.reap(499, CpuId{1});
    CHECK(cache.node.shared.touched);
    slab.reap(500, CpuId{1});
    CHECK_FALSE(cache.node.shared.touched);
    CHECK_FALSE(cache.node.free_touched);
    CHECK(cache.node.next_reap == 500 + 4 * jiffies_per_second);
    CHECK(cache.node.shared.avail == before);
    slab.reap(900, CpuId{1});
    CHECK(cache.node.shared.avail == before - (216 + 4) / 5);
    CHECK(slab.find_violation() == std::nullopt);
}

#include <catch2/catch.hpp>

#include <cstdint>
#include <map>
#include <memory_resource>
#include <string>
#include <vector>

#include "allocators/contract/models.hpp"
#include "allocators/preload/memory_resource.hpp"

using namespace kmemlab;

namespace {

std::uint64_t allocations(const AllocatorStats& stats) {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : stats.allocations) sum += count;
    return sum;
}

}  // namespace

TEST_CASE("containers live in an allocator of ours") {
    SlubModel slub{{}};
    {
        ModelResource resource{slub, CpuId{0}};
        std::pmr::vector<std::pmr::string> words{&resource};
        for (int i = 0; i < 1000; ++i) words.emplace_back(std::string(64, static_cast<char>('a' + i % 26)));
        CHECK(words[27] == std::pmr::string(64, 'b'));
        CHECK(slub.arena().contains(words.data()));
        CHECK(slub.arena().contains(words[27].data()));
        CHECK(allocations(slub.stats()) >= 1000);
        CHECK_FALSE(slub.find_violation());
    }
    slub.drain(CpuId{0});
    CHECK(slub.stats().held_bytes == 0);
}

TEST_CASE("nodes of a map are objects of one cache, all else is upstream's") {
    SheavesModel sheaves{{}};
    auto* const cache = sheaves.kmem_cache_create({.name = "nodes", .size = 64, .align = 8});
    REQUIRE(cache != nullptr);
    {
        ModelResource rest{sheaves, CpuId{0}};
        CacheResource nodes{sheaves, *cache, 64, 8, CpuId{0}, &rest};
        std::pmr::map<int, int> numbers{&nodes};
        for (int i = 0; i < 500; ++i) numbers[i] = -i;
        CHECK(numbers.at(77) == -77);
        CHECK(cache->live() == 500);
        std::pmr::vector<int> large(1000, 5, &nodes);
        CHECK(cache->live() == 500);
        CHECK(sheaves.arena().contains(large.data()));
    }
    CHECK(cache->live() == 0);
    CHECK(sheaves.kmem_cache_destroy(*cache, CpuId{0}));
    CHECK_FALSE(sheaves.find_violation());
}

TEST_CASE("a resource without memory throws, and is equal to those of the same allocator only") {
    SlubModel::Config config;
    config.machine.arena = 4 << 20;
    SlubModel slub{config};
    SlubModel other{config};
    ModelResource resource{slub, CpuId{0}};
    CHECK_THROWS_AS(static_cast<void>(resource.allocate(16 << 20)), std::bad_alloc);
    CHECK(resource.is_equal(ModelResource{slub, CpuId{1}}));
    CHECK_FALSE(resource.is_equal(ModelResource{other, CpuId{0}}));
}

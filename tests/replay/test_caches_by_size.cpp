#include <array>
#include <catch2/catch.hpp>
#include <cstring>

#include "allocators/contract/libc_malloc.hpp"
#include "bench/replay/caches_by_size.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;

static_assert(Allocator<CachesBySize<LibcMalloc>> && ObjectCaches<CachesBySize<LibcMalloc>>);

TEST_CASE("a cache over malloc gives objects of its size, aligned and constructed") {
    CachesBySize<LibcMalloc> caches{LibcMalloc::Config{}};
    auto* cache = caches.kmem_cache_create(
        {.name = "c", .size = 100, .align = 64, .constructor = [](void* p) { std::memset(p, 7, 100); }});
    REQUIRE(cache != nullptr);
    void* p = caches.kmem_cache_alloc(*cache, GFP_KERNEL, CpuId{0});
    REQUIRE(p != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(p) % 64 == 0);
    CHECK(static_cast<unsigned char*>(p)[99] == 7);
    CHECK(caches.usable_size(p) >= 100);
    CHECK_FALSE(caches.kmem_cache_destroy(*cache, CpuId{0}));
    caches.kmem_cache_free(*cache, p, CpuId{0});
    CHECK(caches.kmem_cache_destroy(*cache, CpuId{0}));
}

TEST_CASE("bulk over malloc is as many single calls") {
    CachesBySize<LibcMalloc> caches{LibcMalloc::Config{}};
    auto* cache = caches.kmem_cache_create({.name = "c", .size = 32});
    std::array<void*, 5> objects{};
    CHECK(caches.kmem_cache_alloc_bulk(*cache, GFP_KERNEL, objects, CpuId{1}) == 5);
    CHECK(caches.kmem_cache_shrink(*cache, CpuId{0}));
    caches.kmem_cache_free_bulk(*cache, objects, CpuId{1});
    CHECK_FALSE(caches.kmem_cache_shrink(*cache, CpuId{0}));
    const AllocatorStats stats = caches.stats();
    CHECK(stats.allocations[static_cast<std::size_t>(Path::opaque)] == 5);
    CHECK(stats.frees[static_cast<std::size_t>(Path::opaque)] == 5);
}

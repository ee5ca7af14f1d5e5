#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>

#include "tests/slob/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
static_assert(ObjectCaches<Slob<OwnedCpus>> && ObjectCaches<Slob<SimulatedCpus>>);

void construct(void* object) {
    std::memset(object, 0x77, 40);
}

std::ptrdiff_t bytes_of(const void* p, std::size_t size, unsigned char value) {
    const auto* const bytes = static_cast<const unsigned char*>(p);
    return std::count(bytes, bytes + size, value);
}

}  // namespace

TEST_CASE("a constructor runs at every allocation") {
    SlobMachine m;
    auto& cache = *m.slob.kmem_cache_create({.name = "made", .size = 40, .constructor = construct});
    for (int round = 0; round < 3; ++round) {
        void* const p = m.slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
        CHECK(bytes_of(p, 40, 0x77) == 40);
        std::memset(p, 0, 40);
        m.slob.kmem_cache_free(cache, p, cpu);
    }
    CHECK(cache.work().constructions == 3);
    CHECK(m.misuse() == "");
    SECTION("after zeroing, and who asks for both is told") {
        void* const p = m.slob.kmem_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO, cpu);
        CHECK(bytes_of(p, 40, 0x77) == 40);
        CHECK(m.misuse() == "bad request");
    }
}

TEST_CASE("__GFP_ZERO gives zeroes, in the heap and in blocks") {
    SlobMachine m;
    for (const std::size_t size : {3UL, 200UL, 3001UL}) {
        auto& cache = *m.slob.kmem_cache_create({.name = "zeroed", .size = size});
        for (int round = 0; round < 20; ++round) {
            void* const p = m.slob.kmem_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO, cpu);
            CHECK(bytes_of(p, cache.geometry.size, 0) == static_cast<std::ptrdiff_t>(cache.geometry.size));
            std::memset(p, 0xee, cache.geometry.size);
            m.slob.kmem_cache_free(cache, p, cpu);
        }
    }
    CHECK_FALSE(m.pages.last_gfp().has(__GFP_ZERO));  // SLOB-15
    auto& block = *m.slob.kmem_cache_create({.name = "block", .size = 5000});
    REQUIRE(m.slob.kmem_cache_alloc(block, GFP_KERNEL | __GFP_ZERO, cpu) != nullptr);
    CHECK(m.pages.last_gfp().has(__GFP_ZERO));
}

TEST_CASE("objects of a page and more are blocks of pages, not compound") {
    SlobMachine m;
    auto& cache = *m.slob.kmem_cache_create({.name = "large", .size = 9000});
    void* const p = m.slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    CHECK(m.slob.last_path(cpu) == Path::large);
    CHECK(m.pages.held_pages() == 4);
    CHECK_FALSE(m.pages.last_gfp().has(__GFP_COMP));
    CHECK(m.violation() == "");
    m.slob.kmem_cache_free(cache, p, cpu);
    CHECK(m.pages.held_pages() == 0);
}

TEST_CASE("every alignment of a cache is kept, above a page too") {
    SlobMachine m;
    for (std::size_t align = 1; align <= 65536; align *= 2) {
        for (const std::size_t size : {1UL, 100UL, 4000UL, 5000UL}) {
            auto& cache = *m.slob.kmem_cache_create({.name = "aligned", .size = size, .align = align});
            std::vector<void*> objects(5);
            REQUIRE(m.slob.kmem_cache_alloc_bulk(cache, GFP_KERNEL, objects, cpu) == 5);
            for (void* p : objects) CHECK(reinterpret_cast<std::uintptr_t>(p) % align == 0);
            REQUIRE(m.violation() == "");
            m.slob.kmem_cache_free_bulk(cache, objects, cpu);
        }
    }
    CHECK(m.pages.held_pages() == 0);
}

TEST_CASE("caches are never merged, and take no page before their first object") {
    SlobMachine m;
    auto* const a = m.slob.kmem_cache_create({.name = "a", .size = 64});
    auto* const b = m.slob.kmem_cache_create({.name = "b", .size = 64});
    CHECK(a != b);
    CHECK(m.pages.takes() == 0);
    void* const p = m.slob.kmem_cache_alloc(*a, GFP_KERNEL, cpu);
    void* const q = m.slob.kmem_cache_alloc(*b, GFP_KERNEL, cpu);
    CHECK(m.frame(p) == m.frame(q));  // one heap for all
}

TEST_CASE("a TYPESAFE_BY_RCU object is followed by a footer of 24 bytes, which keeps its size once freed") {
    SlobMachine m;
    auto& cache =
        *m.slob.kmem_cache_create({.name = "rcu", .size = 100, .flags = CacheFlags::typesafe_by_rcu});
    CHECK(cache.geometry.size == 124);
    void* const keep = m.slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    auto* const p = static_cast<std::byte*>(m.slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
    m.slob.kmem_cache_free(cache, p, cpu);
    std::int32_t size = 0;
    std::memcpy(&size, p + 100 + 16, sizeof size);
    CHECK(size == 124);
    m.slob.kmem_cache_free(cache, keep, cpu);
    CHECK(m.pages.held_pages() == 0);
}

TEST_CASE("without memory the result is null and nothing has changed") {
    SlobMachine m;
    auto& cache = *m.slob.kmem_cache_create({.name = "poor", .size = 300});
    m.pages.fail_after(1);
    std::vector<void*> objects;
    while (void* const p = m.slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu)) objects.push_back(p);
    CHECK(objects.size() == 13);
    CHECK(m.slob.last_path(cpu) == Path::failed);
    CHECK(m.violation() == "");
    std::vector<void*> bulk(3);
    m.slob.kmem_cache_free(cache, objects.back(), cpu);
    CHECK(m.slob.kmem_cache_alloc_bulk(cache, GFP_KERNEL, bulk, cpu) == 0);
    CHECK(m.slob.last_path(cpu) == Path::failed);
    CHECK(cache.live() == 12);
    CHECK(m.violation() == "");
    m.pages.fail_never();
    CHECK(m.slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu) == objects.back());
}

TEST_CASE("a cache with objects is not destroyed, and says which remain") {
    SlobMachine m;
    auto& cache = *m.slob.kmem_cache_create({.name = "leaky", .size = 64});
    void* const first = m.slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    void* const p = m.slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    m.slob.kmem_cache_free(cache, first, cpu);
    CHECK(m.slob.kmem_cache_shrink(cache, cpu));
    CHECK_FALSE(m.slob.kmem_cache_destroy(cache, cpu));
    REQUIRE(m.reports.size() == 1);
    CHECK(m.reports[0].report ==
          "BUG leaky: 1 objects remaining on kmem_cache_destroy()\nObject @offset=64\n");
    CHECK(m.misuse() == "objects remain");
    m.slob.kmem_cache_free(cache, p, cpu);
    CHECK_FALSE(m.slob.kmem_cache_shrink(cache, cpu));
    CHECK(m.slob.kmem_cache_destroy(cache, cpu));
    CHECK(m.slob.caches().empty());
    CHECK(m.violation() == "");
}

TEST_CASE("a cache that cannot be is a usage error") {
    SlobMachine m;
    CHECK_THROWS_AS(m.slob.kmem_cache_create({.name = "none", .size = 0}), UsageError);
    CHECK_THROWS_AS(m.slob.kmem_cache_create({.name = "huge", .size = kmalloc_max_size + 1}), UsageError);
    CHECK_THROWS_AS(m.slob.kmem_cache_create({.name = "odd", .size = 64, .align = 24}), UsageError);
}

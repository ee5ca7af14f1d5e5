#include <catch2/catch.hpp>

#include <cstring>

#include "allocators/objects/cache.hpp"
#include "allocators/slab/slab.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
using Machine = Slab<OwnedCpus>;
static_assert(ObjectCaches<Slab<OwnedCpus>> && ObjectCaches<Slab<SimulatedCpus>>);

struct Fixture {
    explicit Fixture(const SlabConfig& config = {}) : slab{pages, cpus, config, log} {}

    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{2};
    MisuseLog log;
    Machine slab;
};

}  // namespace

TEST_CASE("kmalloc-96 wastes a quarter to lie on cache lines, and says so to nobody") {
    Fixture f;
    const SlabGeometry& g = f.slab.kmalloc_cache(96, GFP_KERNEL).geometry;
    CHECK(g.align == 64);
    CHECK(g.size == 128);
    CHECK(f.slab.kmalloc_size_roundup(65) == 96);
    CHECK(f.slab.kmalloc_size_roundup(1) == 32);
    CHECK(f.slab.kmalloc_size_roundup(8193) == 3 * page_size + page_size);
}

TEST_CASE("every size and alignment is met, down from 4 MiB") {
    Fixture f;
    for (std::size_t align = 1; align <= kmalloc_max_size; align *= 2) {
        for (const std::size_t size :
             {std::size_t{1}, std::size_t{65}, std::size_t{5000}, std::size_t{70000}}) {
            void* const p = f.slab.allocate({size, GFP_KERNEL, align, cpu});
            REQUIRE(p != nullptr);
            CHECK(reinterpret_cast<std::uintptr_t>(p) % align == 0);
            CHECK(f.slab.usable_size(p) >= size);
            std::memset(p, 0x5c, f.slab.usable_size(p));
            f.slab.deallocate(p, cpu);
        }
    }
    f.slab.drain(cpu);
    CHECK(f.pages.held_pages() == 0);
    CHECK(f.slab.find_violation() == std::nullopt);
}

TEST_CASE("sizes that cannot be are refused without a page taken") {
    Fixture f;
    const std::uint64_t takes = f.pages.takes();
    for (const std::size_t size : {kmalloc_max_size + 1, std::size_t{1} << 31, std::size_t{1} << 32,
                                   ~std::size_t{0}, ~std::size_t{0} - 4096}) {
        CHECK(f.slab.kmalloc(size, GFP_KERNEL, cpu) == nullptr);
        CHECK(f.slab.allocate({size, GFP_KERNEL, 64, cpu}) == nullptr);
    }
    CHECK(f.pages.takes() == takes);
}

TEST_CASE("kmalloc(0) is an address that only kfree takes") {
    Fixture f;
    void* const p = f.slab.kmalloc(0, GFP_KERNEL, cpu);
    CHECK(p == zero_size_ptr());
    CHECK(f.slab.ksize(p) == 0);
    f.slab.kfree(p, cpu);
    f.slab.kfree(nullptr, cpu);
    CHECK(f.log.count() == 0);
}

TEST_CASE("krealloc keeps what fits, moves what does not, and frees at size 0") {
    Fixture f;
    auto* p = static_cast<char*>(f.slab.krealloc(nullptr, 20, GFP_KERNEL, cpu));
    std::memcpy(p, "nineteen characters", 20);
    CHECK(f.slab.krealloc(p, 32, GFP_KERNEL, cpu) == p);
    CHECK(f.slab.krealloc(p, 3, GFP_KERNEL, cpu) == p);
    auto* const q = static_cast<char*>(f.slab.krealloc(p, 9000, GFP_KERNEL, cpu));
    REQUIRE(q != p);
    CHECK(std::string{q} == "nineteen characters");
    f.pages.fail_after(0);
    CHECK(f.slab.krealloc(q, 100000, GFP_KERNEL, cpu) == nullptr);
    CHECK(std::string{q} == "nineteen characters");
    CHECK(f.slab.krealloc(q, 0, GFP_KERNEL, cpu) == zero_size_ptr());
    f.slab.drain(cpu);
    CHECK(f.pages.held_pages() == 0);
}

TEST_CASE("kfree_bulk frees of any cache, and large blocks") {
    Fixture f;
    std::vector<void*> objects;
    for (std::size_t i = 0; i < 300; ++i)
        objects.push_back(f.slab.kmalloc(1 + i * 61 % 12000, GFP_KERNEL, cpu));
    objects.push_back(nullptr);
    objects.push_back(zero_size_ptr());
    f.slab.kfree_bulk(objects, CpuId{1});
    f.slab.drain(cpu);
    CHECK(f.pages.held_pages() == 0);
    CHECK(f.slab.find_violation() == std::nullopt);
}

TEST_CASE("paths and statistics tell what served each operation") {
    Fixture f;
    auto& cache = *f.slab.kmem_cache_create({.name = "ways", .size = 4096});  // batch 12, one a slab
    void* const p = f.slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    CHECK(f.slab.last_path(cpu) == Path::new_slab);
    f.slab.kmem_cache_free(cache, p, cpu);
    CHECK(f.slab.last_path(cpu) == Path::fast);
    std::vector<void*> objects(25);
    REQUIRE(f.slab.kmem_cache_alloc_bulk(cache, GFP_KERNEL, objects, cpu) == 25);
    f.slab.kmem_cache_free_bulk(cache, objects, CpuId{1});
    CHECK(f.slab.last_path(CpuId{1}) == Path::shared);
    static_cast<void>(f.slab.last_path(cpu));
    objects[0] = f.slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    CHECK(f.slab.last_path(cpu) == Path::shared);
    f.slab.kmem_cache_free(cache, objects[0], cpu);
    f.slab.tune(cache, 2, 1, 0, cpu);  // no shared array any more: flushes reach the slabs
    static_cast<void>(f.slab.last_path(cpu));
    objects[0] = f.slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    CHECK(f.slab.last_path(cpu) == Path::refill);
    f.slab.kmem_cache_free(cache, objects[0], cpu);
    void* const large = f.slab.kmalloc(9000, GFP_KERNEL, cpu);
    CHECK(f.slab.last_path(cpu) == Path::large);
    const AllocatorStats stats = f.slab.stats();
    CHECK(stats.held_bytes == f.pages.held_pages() * page_size);
    const auto count = [](const PathCounts& counts, Path path) {
        return counts[static_cast<std::size_t>(path)];
    };
    CHECK(count(stats.allocations, Path::new_slab) == 25);
    CHECK(count(stats.allocations, Path::fast) == 1);
    CHECK(count(stats.allocations, Path::large) == 1);
    CHECK(count(stats.frees, Path::shared) == 1);
    CHECK(stats.metadata_bytes > f.slab.caches().size() * sizeof(ArrayCache) * 2);
    f.slab.kfree(large, cpu);
}

TEST_CASE("index arrays off their slabs are no operations of the caller's") {
    Fixture f;
    auto& cache = *f.slab.kmem_cache_create(
        {.name = "off", .size = 1024, .constructor = [](void* p) { std::memset(p, 1, 1024); }});
    REQUIRE(cache.geometry.place == IndexPlace::off_slab);
    std::vector<void*> objects(400);
    REQUIRE(f.slab.kmem_cache_alloc_bulk(cache, GFP_KERNEL, objects, cpu) == objects.size());
    CHECK(f.slab.kmalloc_cache(cache.geometry.objects, GFP_KERNEL).live() == 100);
    CHECK(f.slab.find_violation() == std::nullopt);
    f.slab.kmem_cache_free_bulk(cache, objects, cpu);
    const auto total = [](const PathCounts& counts) {
        std::uint64_t sum = 0;
        for (const std::uint64_t n : counts) sum += n;
        return sum;
    };
    CHECK(total(f.slab.stats().allocations) == 400);
    CHECK(total(f.slab.stats().frees) == 400);
    CHECK(f.slab.stats().frees[static_cast<std::size_t>(Path::discard)] > 0);
    REQUIRE(f.slab.kmem_cache_destroy(cache, cpu));
    CHECK(f.slab.kmalloc_cache(4, GFP_KERNEL).live() == 0);
    CHECK(total(f.slab.stats().allocations) == 400);
    CHECK(total(f.slab.stats().frees) == 400);
    f.slab.drain(cpu);
    CHECK(f.pages.held_pages() == 0);
}

TEST_CASE("a slab whose index array finds no memory is given back") {
    Fixture f;
    auto& cache = *f.slab.kmem_cache_create({.name = "off", .size = 1024, .constructor = [](void*) {}});
    f.pages.fail_at(2);  // the slab's own pages come first
    CHECK(f.slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu) == nullptr);
    CHECK(f.pages.held_pages() == 0);
    CHECK(f.slab.last_path(cpu) == Path::failed);
    f.pages.fail_never();
    CHECK(f.slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu) != nullptr);
    CHECK(f.slab.find_violation() == std::nullopt);
}

#include <catch2/catch.hpp>

#include "allocators/objects/cache.hpp"
#include "allocators/slub/slub.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
static_assert(ObjectCaches<Slub<OwnedCpus>> && ObjectCaches<Slub<SimulatedCpus>>);

struct Fixture {
    explicit Fixture(const SlubConfig& config = {}) : slub{pages, cpus, config, log} {}
    Arena arena{std::size_t{32} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{2};
    MisuseLog log;
    Slub<OwnedCpus> slub;
};

}  // namespace

TEST_CASE("every size and alignment is met, down from 4 MiB") {
    Fixture f;
    for (std::size_t align = 1; align <= kmalloc_max_size; align *= 2) {
        for (const std::size_t size :
             {std::size_t{1}, std::size_t{65}, std::size_t{5000}, std::size_t{70000}}) {
            void* const p = f.slub.allocate({size, GFP_KERNEL, align, cpu});
            REQUIRE(p != nullptr);
            CHECK(reinterpret_cast<std::uintptr_t>(p) % align == 0);
            CHECK(f.slub.usable_size(p) >= size);
            std::memset(p, 0x5c, f.slub.usable_size(p));
            f.slub.deallocate(p, cpu);
        }
    }
    f.slub.drain(cpu);
    CHECK(f.pages.held_pages() == 0);
    CHECK(f.slub.find_violation() == std::nullopt);
}

TEST_CASE("sizes that cannot be are refused without a page taken") {
    Fixture f;
    const std::uint64_t takes = f.pages.takes();
    for (const std::size_t size : {kmalloc_max_size + 1, std::size_t{1} << 31, std::size_t{1} << 32,
                                   ~std::size_t{0}, ~std::size_t{0} - 4096}) {
        CHECK(f.slub.kmalloc(size, GFP_KERNEL, cpu) == nullptr);
        CHECK(f.slub.allocate({size, GFP_KERNEL, 64, cpu}) == nullptr);
    }
    CHECK(f.pages.takes() == takes);
}

TEST_CASE("kmalloc(0) is an address that only kfree takes") {
    Fixture f;
    void* const p = f.slub.kmalloc(0, GFP_KERNEL, cpu);
    CHECK(p == zero_size_ptr());
    CHECK(f.slub.ksize(p) == 0);
    f.slub.kfree(p, cpu);
    f.slub.kfree(nullptr, cpu);
    CHECK(f.log.count() == 0);
}

TEST_CASE("krealloc keeps what fits, moves what does not, and frees at size 0") {
    Fixture f;
    auto* p = static_cast<char*>(f.slub.krealloc(nullptr, 20, GFP_KERNEL, cpu));
    std::memcpy(p, "nineteen characters", 20);
    CHECK(f.slub.krealloc(p, 32, GFP_KERNEL, cpu) == p);
    CHECK(f.slub.krealloc(p, 3, GFP_KERNEL, cpu) == p);
    auto* const q = static_cast<char*>(f.slub.krealloc(p, 9000, GFP_KERNEL, cpu));
    REQUIRE(q != p);
    CHECK(std::string{q} == "nineteen characters");
    f.pages.fail_after(0);
    CHECK(f.slub.krealloc(q, 100000, GFP_KERNEL, cpu) == nullptr);
    CHECK(std::string{q} == "nineteen characters");
    CHECK(f.slub.krealloc(q, 0, GFP_KERNEL, cpu) == zero_size_ptr());
    f.slub.drain(cpu);
    CHECK(f.pages.held_pages() == 0);
}

TEST_CASE("kfree_bulk frees of any cache, and large blocks") {
    Fixture f;
    std::vector<void*> objects;
    for (std::size_t i = 0; i < 300; ++i)
        objects.push_back(f.slub.kmalloc(1 + i * 61 % 12000, GFP_KERNEL, cpu));
    objects.push_back(nullptr);
    objects.push_back(zero_size_ptr());
    f.slub.kfree_bulk(objects, CpuId{1});
    f.slub.drain(cpu);
    CHECK(f.pages.held_pages() == 0);
    CHECK(f.slub.find_violation() == std::nullopt);
}

TEST_CASE("paths and statistics tell what served each operation") {
    Fixture f;
    void* const p = f.slub.kmalloc(64, GFP_KERNEL, cpu);
    CHECK(f.slub.last_path(cpu) == Path::new_slab);
    void* const q = f.slub.kmalloc(64, GFP_KERNEL, cpu);
    CHECK(f.slub.last_path(cpu) == Path::fast);
    f.slub.kfree(q, CpuId{1});
    CHECK(f.slub.last_path(CpuId{1}) == Path::slab);
    f.slub.kfree(p, cpu);
    CHECK(f.slub.last_path(cpu) == Path::fast);
    void* const large = f.slub.kmalloc(9000, GFP_KERNEL, cpu);
    CHECK(f.slub.last_path(cpu) == Path::large);
    const AllocatorStats stats = f.slub.stats();
    CHECK(stats.held_bytes == f.pages.held_pages() * page_size);
    CHECK(stats.held_bytes == page_size + 4 * page_size);
    CHECK(stats.allocations[static_cast<std::size_t>(Path::fast)] == 1);
    CHECK(stats.allocations[static_cast<std::size_t>(Path::new_slab)] == 1);
    CHECK(stats.allocations[static_cast<std::size_t>(Path::large)] == 1);
    CHECK(stats.frees[static_cast<std::size_t>(Path::fast)] == 1);
    CHECK(stats.frees[static_cast<std::size_t>(Path::slab)] == 1);
    CHECK(stats.metadata_bytes > f.slub.caches().size() * sizeof(CpuSlot) * 2);
    f.slub.kfree(large, cpu);
}

TEST_CASE("counts of a destroyed cache stay in the totals") {
    Fixture f;
    auto& cache = *f.slub.kmem_cache_create({.name = "gone", .size = 712});
    for (int i = 0; i < 5; ++i) {
        f.slub.kmem_cache_free(cache, f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu), cpu);
    }
    const auto before = f.slub.stats();
    REQUIRE(f.slub.kmem_cache_destroy(cache, cpu));
    const auto after = f.slub.stats();
    CHECK(after.allocations == before.allocations);
    CHECK(after.frees == before.frees);
    CHECK(after.metadata_bytes < before.metadata_bytes);
}

TEST_CASE("tunables refuse what cannot be") {
    SlubConfig config;
    const auto set = [&](const char* text) {
        const std::vector<Setting> settings{parse_setting(text)};
        apply_settings(settings, config.tunables());
    };
    set("slub.cpu_partial=30");
    set("slub.debug=FZ,kmalloc-*;P,task_struct");
    set("slub.max_order=0");
    CHECK(config.cpu_partial == "30");
    CHECK_THROWS_AS(set("slub.max_order=11"), UsageError);
    CHECK_THROWS_AS(set("slub.cpu_partial=many"), UsageError);
    CHECK_THROWS_AS(set("slub.debug=FX"), UsageError);
    set("slub.min_order=1");
    CHECK_THROWS_AS(Fixture{config}, UsageError);
    CHECK(debug_choice(config.debug, "kmalloc-64").flags ==
          (CacheFlags::consistency_checks | CacheFlags::red_zone));
    CHECK(debug_choice(config.debug, "task_struct").flags == CacheFlags::poison);
    CHECK(debug_choice(config.debug, "dentry").flags == CacheFlags::none);
}

TEST_CASE("a cache that cannot be is a usage error") {
    Fixture f;
    CHECK_THROWS_AS(f.slub.kmem_cache_create({.name = "none", .size = 0}), UsageError);
    CHECK_THROWS_AS(f.slub.kmem_cache_create({.name = "huge", .size = kmalloc_max_size + 1}), UsageError);
    CHECK_THROWS_AS(f.slub.kmem_cache_create({.name = "odd", .size = 64, .align = 24}), UsageError);
}

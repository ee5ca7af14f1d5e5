// Caches, kmalloc, misuse, texts and memory of SLUB with sheaves: what the layer adds to SLUB's.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>

#include "tests/sheaves/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;
using Catch::Contains;

namespace {

constexpr CpuId a{0};
constexpr CpuId b{1};
using Machine = SheavesMachine<OwnedCpus>;

std::string content(const std::vector<Text>& texts, std::string_view name) {
    for (const Text& text : texts) {
        if (text.name == name) return text.content;
    }
    return "absent";
}

}  // namespace

TEST_CASE("caches that are alike share sheaves, and the first to go takes none along") {
    Machine f;
    auto* const alike = f.sheaves.kmem_cache_create({.name = "alike", .size = 60});
    REQUIRE(alike == &f.cache);
    void* const object = f.get(a);
    CHECK(f.sheaves.kmem_cache_destroy(*alike, a));
    CHECK_FALSE(f.slot(a).main.empty());
    f.put(object, a);
    CHECK(f.sheaves.kmem_cache_destroy(f.cache, a));
    CHECK(f.violation() == "");
}

TEST_CASE("what a destroyed cache counted stays in the totals") {
    Machine f;
    f.put_many(f.get_many(100, a), b);
    const AllocatorStats before = f.sheaves.stats();
    REQUIRE(f.sheaves.kmem_cache_destroy(f.cache, a));
    CHECK(f.sheaves.stats().allocations == before.allocations);
    CHECK(f.sheaves.stats().frees == before.frees);
}

TEST_CASE("a constructor runs when the slab is made, not when a sheaf gives the object") {
    static int constructed = 0;
    constructed = 0;
    Machine f{{}, {.name = "built", .size = 64, .constructor = [](void*) { ++constructed; }}};
    f.put_many(f.get_many(30, a), a);
    const int once = constructed;
    f.put_many(f.get_many(30, a), a);
    CHECK(constructed == once);
    CHECK(once == static_cast<int>(f.cache.total_objects));
}

TEST_CASE("objects asked for zero are zero, whichever way they come") {
    Machine f{small_sheaves};
    for (int round = 0; round < 2; ++round) {
        std::vector<void*> objects(30);
        REQUIRE(f.sheaves.kmem_cache_alloc_bulk(f.cache, GFP_KERNEL | __GFP_ZERO, objects, a) == 30);
        for (void* const object : objects) {
            const auto* const bytes = static_cast<const unsigned char*>(object);
            CHECK(std::all_of(bytes, bytes + 64, [](unsigned char byte) { return byte == 0; }));
            std::memset(object, 0xee, 64);
        }
        f.put_many(objects, b);
    }
}

TEST_CASE("kmalloc and kfree meet in the sheaves of the size's cache") {
    Machine f;
    auto& cache = f.sheaves.kmalloc_cache(100, GFP_KERNEL);
    void* const object = f.sheaves.kmalloc(100, GFP_KERNEL, a);
    CHECK(f.sheaves.ksize(object) == 128);
    f.sheaves.kfree(object, b);
    CHECK(cache.sheaves[b].main.count() == 1);
    CHECK(f.sheaves.kmalloc(128, GFP_KERNEL, b) == object);
    void* const larger = f.sheaves.krealloc(object, 20000, GFP_KERNEL, b);
    CHECK(f.sheaves.ksize(larger) == 32768);
    f.sheaves.kfree(larger, a);
    CHECK(f.sheaves.last_path(a) == Path::large);
    f.sheaves.kfree(f.sheaves.kmalloc(0, GFP_KERNEL, a), a);
    f.sheaves.kfree(nullptr, a);
    CHECK(f.reports.empty());
    CHECK(f.violation() == "");
}

TEST_CASE("a bulk allocation that runs out gives all back") {
    Machine f{small_sheaves};
    f.pages.fail_after(2);
    std::vector<void*> objects(200);
    CHECK(f.sheaves.kmem_cache_alloc_bulk(f.cache, GFP_KERNEL, objects, a) == 0);
    CHECK(f.cache.live() == 0);
    CHECK(f.violation() == "");
}

TEST_CASE("an object of another cache is reported when it is freed, and goes to its own") {
    Machine f;
    auto& other = *f.sheaves.kmem_cache_create({.name = "other", .size = 700});
    void* const object = f.sheaves.kmem_cache_alloc(other, GFP_KERNEL, a);
    f.put(object, b);
    REQUIRE(f.reports.size() == 1);
    CHECK(f.reports[0].kind == MisuseKind::wrong_cache);
    CHECK_THAT(f.reports[0].report, Contains("mine") && Contains("other"));
    CHECK(other.sheaves[b].main.count() == 1);
    CHECK(other.live() == 0);
    CHECK(f.violation() == "");
}

TEST_CASE("a foreign pointer is reported when it is freed") {
    Machine f;
    int mine = 0;
    f.put(&mine, a);
    f.sheaves.kfree(&mine, a);
    f.sheaves.kfree(f.arena.address_at(5000), a);
    REQUIRE(f.reports.size() == 3);
    for (const Misuse& report : f.reports) CHECK(report.kind == MisuseKind::foreign_pointer);
    CHECK(f.violation() == "");
}

TEST_CASE("a pointer into an object is reported when its sheaf is flushed, and counts stay right") {
    Machine f;
    auto* const object = static_cast<std::byte*>(f.get(a));
    f.put(object + 8, a);
    CHECK(f.reports.empty());
    CHECK(f.law() == "H3");
    f.sheaves.flush_cpu(f.cache, a, a);
    REQUIRE(f.reports.size() == 1);
    CHECK(f.reports[0].kind == MisuseKind::interior_pointer);
    CHECK(f.cache.live() == 1);
    CHECK(f.violation() == "");
}

TEST_CASE("an object freed twice is in sheaves twice") {
    Machine f;
    void* const object = f.get(a);
    f.put(object, a);
    f.put(object, b);
    CHECK(f.law() == "H3");
}

TEST_CASE("a null changes nothing but spare sheaves") {
    Machine f;
    f.pages.fail_after(0);
    CHECK(f.get(a) == nullptr);
    CHECK(f.sheaves.kmalloc(5000, GFP_KERNEL, a) == nullptr);
    CHECK(f.sheaves.stats().held_bytes == 0);
    CHECK(f.sheaves.stats().allocations[static_cast<std::size_t>(Path::failed)] == 2);
    CHECK(f.violation() == "");
}

TEST_CASE("the memory of sheaves is metadata, and goes with them") {
    Machine f{{}, {"mine", 64}, 2};
    const std::size_t before = f.sheaves.stats().metadata_bytes;
    f.put_many(f.get_many(240, a), b);
    // A spare of CPU a, one of CPU b, two in the barn.
    CHECK(f.sheaves.stats().metadata_bytes == before + 4 * Sheaf::metadata_bytes(60));
    f.sheaves.drain(a);
    CHECK(f.sheaves.stats().metadata_bytes == before);
    CHECK(f.sheaves.stats().held_bytes == 0);
}

TEST_CASE("slabinfo counts objects in sheaves as active") {
    Machine f{{.slub = {}, .capacity = 10}};
    (void)f.get(a);
    CHECK_THAT(f.sheaves.slabinfo(), Contains("mine                  10     64     64   64    1"));
    CHECK(content(f.sheaves.snapshot(), "slabinfo") == f.sheaves.slabinfo());
}

TEST_CASE("a cache shows its sheaves' capacity and that no CPU has slabs") {
    Machine f;
    f.put_many(f.get_many(500, a), b);
    const auto texts = f.sheaves.attributes(f.cache);
    CHECK(content(texts, "slab/mine/sheaf_capacity") == "60\n");
    CHECK(content(texts, "slab/mine/cpu_slabs") == "0\n");
    CHECK(content(texts, "slab/mine/cpu_partial") == "0\n");
    CHECK(content(texts, "slab/mine/slabs_cpu_partial") == "0(0)\n");
}

TEST_CASE("SLUB's tunables are here but those of CPU partial lists") {
    SheavesConfig config;
    std::vector<std::string> keys;
    for (const Tunable& tunable : config.tunables()) keys.emplace_back(tunable.key);
    const auto has = [&](std::string_view key) { return std::count(keys.begin(), keys.end(), key) == 1; };
    CHECK(has("slub.max_order"));
    CHECK(has("sheaves.capacity"));
    CHECK(has("sheaves.barn_full"));
    CHECK(has("sheaves.barn_empty"));
    CHECK_FALSE(has("slub.cpu_partial"));
    CHECK_FALSE(has("slub.cpu_partial_lists"));
}

TEST_CASE("what flushes and refills cost the CPUs is told as traffic") {
    Machine f{small_sheaves};
    f.put_many(f.get_many(40, a), b);
    CHECK(f.cache.traffic().refills == 10);
    CHECK(f.cache.traffic().flushes == 9 - 1);  // main and spare of CPU b stay
}

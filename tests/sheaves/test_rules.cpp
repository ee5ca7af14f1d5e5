// Each rule of sheaves (SHEAF-1..7), operation by operation, on sheaves of four objects.
#include <catch2/catch.hpp>

#include <algorithm>
#include <array>

#include "tests/sheaves/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId a{0};
constexpr CpuId b{1};
constexpr CpuId c{2};
using Machine = SheavesMachine<OwnedCpus>;

struct Fixture : Machine {
    Fixture() : Machine{small_sheaves} {}
    /// CPU a allocates and CPU b frees so many objects.
    void pass(std::size_t n) { put_many(get_many(n, a), b); }
    [[nodiscard]] Path path(CpuId cpu) { return sheaves.last_path(cpu); }
    [[nodiscard]] std::uint64_t barn_locks() const { return cache.barn.lock.acquisitions(); }
};

}  // namespace

TEST_CASE("SHEAF-1: the size of the objects says how many a sheaf holds") {
    Machine f;
    for (const std::size_t size : kmalloc_class_sizes) {
        const std::uint32_t expected = size >= 4096 ? 4U : size >= 1024 ? 12U : size >= 256 ? 28U : 60U;
        CHECK(f.sheaves.kmalloc_cache(size, GFP_KERNEL).capacity == expected);
        CHECK(f.sheaves.kmalloc_cache(size, GFP_KERNEL | __GFP_RECLAIMABLE).capacity == expected);
    }
}

TEST_CASE("sheaves.scale multiplies what the size says, sheaves.barn_kbytes limits barns by their memory") {
    Machine f{{.slub = {}, .scale = 4, .barn_full = 64, .barn_kbytes = 1024}};
    const auto& small = f.sheaves.kmalloc_cache(64, GFP_KERNEL);
    const auto& large = f.sheaves.kmalloc_cache(8192, GFP_KERNEL);
    CHECK(small.capacity == 240);
    CHECK(small.barn.most_full() == 64);
    CHECK(large.capacity == 16);
    CHECK(large.barn.most_full() == 8);  // of 128 KiB each
    CHECK(most_full_sheaves({.slub = {}, .barn_kbytes = 1}, 16, 8192) == 1);
    CHECK(most_full_sheaves({.slub = {}, .barn_full = 0, .barn_kbytes = 1}, 16, 8192) == 0);
    CHECK(most_full_sheaves({.slub = {}}, 16, 8192) == 10);
}

TEST_CASE("SHEAF-1: sheaves.capacity sets it for all caches") {
    Machine f{small_sheaves};
    CHECK(f.cache.capacity == 4);
    CHECK(f.sheaves.kmalloc_cache(8192, GFP_KERNEL).capacity == 4);
}

TEST_CASE("SHEAF-2: each CPU begins with an empty main and no spare, the barn with nothing") {
    Fixture f;
    for (unsigned n = 0; n < f.cpus.count(); ++n) {
        CHECK(f.slot(CpuId{n}).main.capacity() == 4);
        CHECK(f.slot(CpuId{n}).main.empty());
        CHECK(f.slot(CpuId{n}).spare.none());
    }
    CHECK(f.cache.barn.full.empty());
    CHECK(f.cache.barn.empty.empty());
    CHECK(f.pages.takes() == 0);
}

TEST_CASE("SHEAF-2: the sheaf put into the barn last is the first to be taken") {
    Fixture f;
    f.pass(16);
    REQUIRE(f.cache.barn.full.size() == 2);
    void* const top = f.cache.barn.full.back().entries[3];
    CHECK(f.get(c) == top);
}

TEST_CASE("SHEAF-3: objects come from main as from a stack") {
    Fixture f;
    void* const first = f.get(a);
    void* const second = f.get(a);
    f.put(first, a);
    f.put(second, a);
    (void)f.path(a);
    CHECK(f.get(a) == second);
    CHECK(f.get(a) == first);
    CHECK(f.path(a) == Path::fast);
}

TEST_CASE("SHEAF-3: with nothing anywhere a new sheaf is filled from the slabs and becomes main") {
    Fixture f;
    REQUIRE(f.get(a) != nullptr);
    CHECK(f.path(a) == Path::new_slab);
    CHECK(f.slot(a).main.count() == 3);
    CHECK(f.slot(a).spare.capacity() == 4);  // the former main
    CHECK(f.slot(a).spare.empty());
    CHECK(f.cache.out_of_slabs() == 4);
    CHECK(f.counted(SheafEvent::sheaf_alloc, a) == 1);
    (void)f.get_many(4, a);
    CHECK(f.path(a) == Path::node_partial);
    CHECK(f.counted(SheafEvent::sheaf_refill, a) == 2);
    CHECK(f.counted(SheafEvent::sheaf_alloc, a) == 1);  // the spare was filled
    CHECK(f.barn_locks() == 0);
}

TEST_CASE("SHEAF-3: a spare with objects and the empty main change places") {
    Fixture f;
    const auto objects = f.get_many(8, a);
    f.put_many(objects, a);
    REQUIRE(f.slot(a).spare.full());
    (void)f.get_many(4, a);
    (void)f.path(a);
    CHECK(f.get(a) == objects[3]);
    CHECK(f.path(a) == Path::fast);
    CHECK(f.slot(a).spare.empty());
    CHECK(f.barn_locks() == 0);
}

TEST_CASE("SHEAF-3: a full sheaf of the barn is had for the empty main") {
    Fixture f;
    f.pass(12);
    REQUIRE(f.cache.barn.full.size() == 1);
    const std::uint64_t out = f.cache.out_of_slabs();
    (void)f.get(c);
    CHECK(f.path(c) == Path::shared);
    CHECK(f.slot(c).main.count() == 3);
    CHECK(f.slot(c).spare.none());
    CHECK(f.cache.barn.full.empty());
    CHECK(f.cache.barn.empty.size() == 1);
    CHECK(f.cache.out_of_slabs() == out);
}

TEST_CASE("SHEAF-3: without a spare an empty sheaf of the barn is filled") {
    Fixture f;
    f.pass(12);
    (void)f.get_many(4, c);
    REQUIRE(f.slot(c).spare.none());
    REQUIRE(f.cache.barn.empty.size() == 1);
    (void)f.get(c);
    CHECK(f.cache.barn.empty.empty());
    CHECK(f.counted(SheafEvent::sheaf_alloc, c) == 0);
    CHECK(f.counted(SheafEvent::sheaf_refill, c) == 1);
}

TEST_CASE("SHEAF-3: a sheaf is filled as far as memory reaches") {
    Machine f{{.slub = {}, .capacity = 100}};  // 64 objects in a slab
    f.pages.fail_after(1);
    REQUIRE(f.get(a) != nullptr);
    CHECK(f.slot(a).main.count() == 63);
    (void)f.get_many(63, a);
    CHECK(f.get(a) == nullptr);
    CHECK(f.sheaves.last_path(a) == Path::failed);
    CHECK(f.violation() == "");
    f.pages.fail_never();
    CHECK(f.get(a) != nullptr);
}

TEST_CASE("SHEAF-4: without a spare a full main becomes it, and an empty sheaf main") {
    Fixture f;
    const auto objects = f.get_many(5, a);
    f.put_many(objects, b);
    CHECK(f.slot(b).spare.full());
    CHECK(f.slot(b).main.count() == 1);
    CHECK(f.counted(SheafEvent::sheaf_alloc, b) == 1);
    SECTION("one from the barn, if it has any") {
        f.pass(8);
        const auto more = f.get_many(5, a);
        const std::size_t waiting = f.cache.barn.empty.size();
        REQUIRE(waiting > 0);
        f.put_many(more, c);
        CHECK(f.counted(SheafEvent::sheaf_alloc, c) == 0);
        CHECK(f.cache.barn.empty.size() == waiting - 1);
    }
}

TEST_CASE("SHEAF-4: an empty spare and the full main change places") {
    Fixture f;
    const auto objects = f.get_many(8, a);
    REQUIRE(f.slot(a).spare.empty());
    f.put_many(std::span{objects}.first(4), a);
    REQUIRE(f.slot(a).main.full());
    f.put(objects[4], a);
    CHECK(f.path(a) == Path::fast);
    CHECK(f.slot(a).spare.full());
    CHECK(f.slot(a).main.count() == 1);
    CHECK(f.barn_locks() == 0);
}

TEST_CASE("SHEAF-4: a full main goes to the barn for an empty sheaf") {
    Fixture f;
    const auto objects = f.get_many(9, a);
    f.put_many(objects, b);
    CHECK(f.path(b) == Path::shared);
    CHECK(f.cache.barn.full.size() == 1);
    CHECK(f.slot(b).main.count() == 1);
    CHECK(f.slot(b).spare.full());
    CHECK(f.counted(SheafEvent::sheaf_alloc, b) == 2);  // the barn had no empty one
    SECTION("one of the barn's, if there is one") {
        (void)f.get_many(4, c);
        REQUIRE(f.cache.barn.empty.size() == 1);
        f.put_many(f.get_many(4, a), b);
        CHECK(f.cache.barn.empty.empty());
        CHECK(f.counted(SheafEvent::sheaf_alloc, b) == 2);
    }
}

TEST_CASE("SHEAF-4: when the barn is full of them the spare is flushed") {
    Fixture f;
    const auto objects = f.get_many(17, a);
    f.put_many(std::span{objects}.first(16), b);
    REQUIRE(f.cache.barn.full.size() == 2);
    const std::uint64_t locks = f.barn_locks();
    const std::uint64_t out = f.cache.out_of_slabs();
    const std::array<void*, 4> main{f.slot(b).main.entries[0], f.slot(b).main.entries[1],
                                    f.slot(b).main.entries[2], f.slot(b).main.entries[3]};
    f.put(objects[16], b);
    CHECK(f.path(b) == Path::flush);
    CHECK(f.cache.out_of_slabs() == out - 4);
    CHECK(std::equal(main.begin(), main.end(), f.slot(b).spare.entries.get()));
    CHECK(f.slot(b).main.count() == 1);
    CHECK(f.barn_locks() == locks);  // its length is known without the lock
    CHECK(f.violation() == "");
}

TEST_CASE("an empty sheaf that the barn has no room for is dropped") {
    Machine f{{.slub = {}, .capacity = 4, .barn_full = 4, .barn_empty = 1}};
    f.put_many(f.get_many(16, a), b);
    REQUIRE(f.cache.barn.full.size() == 2);
    (void)f.get_many(8, c);
    CHECK(f.cache.barn.full.empty());
    CHECK(f.cache.barn.empty.size() == 1);
    CHECK(f.violation() == "");
}

TEST_CASE("SHEAF-5: bulk operations are as many single ones") {
    Fixture one;
    Fixture other;
    std::array<void*, 27> single{};
    std::array<void*, 27> bulk{};
    for (int round = 0; round < 3; ++round) {
        for (void*& object : single) object = one.get(a);
        REQUIRE(other.sheaves.kmem_cache_alloc_bulk(other.cache, GFP_KERNEL, bulk, a) == bulk.size());
        for (std::size_t i = 0; i < bulk.size(); ++i) {
            CHECK(one.arena.offset_of(single[i]) == other.arena.offset_of(bulk[i]));
        }
        one.put_many(single, b);
        other.sheaves.kmem_cache_free_bulk(other.cache, bulk, b);
    }
    CHECK(one.cache.live() == 0);
    CHECK(other.cache.live() == 0);
}

TEST_CASE("SHEAF-6: a shrink flushes every sheaf, and the slabs go") {
    Fixture f;
    f.pass(16);
    void* const kept = f.get(c);
    REQUIRE(f.pages.held_pages() > 0);
    CHECK(f.sheaves.kmem_cache_shrink(f.cache, a));
    CHECK(f.cache.out_of_slabs() == 1);
    CHECK(f.cache.barn.full.empty());
    CHECK(f.cache.barn.empty.empty());
    CHECK(f.slot(b).spare.none());
    CHECK(f.slot(b).main.empty());
    f.put(kept, c);
    CHECK_FALSE(f.sheaves.kmem_cache_shrink(f.cache, a));
    CHECK(f.pages.held_pages() == 0);
    CHECK(f.violation() == "");
}

TEST_CASE("SHEAF-6: a destroyed cache is flushed first, and stays while objects live") {
    Fixture f;
    f.pass(16);
    void* const kept = f.get(c);
    CHECK_FALSE(f.sheaves.kmem_cache_destroy(f.cache, a));
    REQUIRE(f.reports.size() == 1);
    CHECK(f.reports[0].kind == MisuseKind::objects_remain);
    CHECK(f.violation() == "");
    f.put(kept, c);
    CHECK(f.sheaves.kmem_cache_destroy(f.cache, a));
    CHECK(f.pages.held_pages() == 0);
}

TEST_CASE("SHEAF-6: a debug cache has no sheaves") {
    Machine f{{}, {.name = "checked", .size = 64, .flags = CacheFlags::consistency_checks}};
    void* const object = f.get(a);
    CHECK(f.cache.capacity == 0);
    CHECK(f.cache.out_of_slabs() == 1);
    f.put(object, b);
    CHECK(f.cache.out_of_slabs() == 0);
    f.put(object, b);
    REQUIRE(f.reports.size() == 1);
    CHECK(f.reports[0].kind == MisuseKind::double_free);
    CHECK(f.slot(b).main.none());
}

TEST_CASE("SHEAF-7: a slab is on the node's partial list or full, and no CPU's") {
    Machine f{{.slub = {}, .capacity = 64}};
    (void)f.get(a);
    CHECK(f.cache.partial.empty());  // all 64 objects are in the sheaf
    (void)f.get_many(64, a);
    CHECK(f.cache.nr_slabs == 2);
    CHECK(f.cache.partial.empty());
    f.sheaves.flush_cpu(f.cache, a, a);  // 63 objects of the second
    CHECK(f.cache.nr_partial == 1);
    CHECK(f.violation() == "");
}

TEST_CASE("SHEAF-7: a full slab into which an object is freed goes to the tail of the node's list") {
    Machine f{{.slub = {}, .capacity = 64}};
    const auto objects = f.get_many(192, a);  // three slabs
    f.put(objects[0], a);
    f.sheaves.flush_cpu(f.cache, a, a);
    f.put(objects[64], a);
    f.sheaves.flush_cpu(f.cache, a, a);
    REQUIRE(f.cache.nr_partial == 2);
    CHECK(f.arena.offset_of(objects[0]) >> page_shift == f.cache.partial.head());
    CHECK(f.arena.offset_of(objects[64]) >> page_shift == f.cache.partial.tail());
}

TEST_CASE("SHEAF-7: an empty slab is discarded once min_partial are on the node's list") {
    Machine f{{.slub = {}, .capacity = 64}};
    const auto objects = f.get_many(std::size_t{64} * 8, a);
    REQUIRE(f.cache.nr_slabs == 8);
    REQUIRE(f.cache.min_partial == 5);
    for (std::size_t slab = 0; slab < 5; ++slab) f.put(objects[64 * slab], a);
    f.sheaves.flush_cpu(f.cache, a, a);
    REQUIRE(f.cache.nr_partial == 5);
    f.put_many(std::span{objects}.subspan(320, 64), a);
    f.sheaves.flush_cpu(f.cache, a, a);
    CHECK(f.cache.nr_slabs == 7);
    CHECK(f.violation() == "");
}

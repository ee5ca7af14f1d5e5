// Each law broken deep inside, and named by find_violation().
#include <catch2/catch.hpp>

#include "tests/sheaves/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId a{0};
constexpr CpuId b{1};

/// CPU a with objects in main and an empty spare, CPU b with a full spare, full and empty sheaves in the
/// barn, partial slabs and live objects.
struct Fixture : SheavesMachine<SimulatedCpus> {
    Fixture() : SheavesMachine{{.slub = {}, .capacity = 4, .barn_full = 4, .barn_empty = 3}} {
        const auto objects = get_many(129, a);
        put_many(std::span{objects}.first(30), b);
        (void)get_many(4, CpuId{2});
        (void)get_many(4, CpuId{3});
        (void)get(a);
    }
    [[nodiscard]] Sheaf& main() { return slot(a).main; }
};

}  // namespace

TEST_CASE("an untouched machine breaks no law") {
    Fixture f;
    REQUIRE(f.main().count() > 1);
    REQUIRE(f.slot(a).spare.empty());
    REQUIRE(f.slot(b).spare.full());
    REQUIRE(f.cache.barn.full.size() > 1);
    REQUIRE(f.cache.barn.empty.size() > 1);
    REQUIRE_FALSE(f.cache.partial.empty());
    CHECK(f.violation() == "");
}

TEST_CASE("H1: sheaves are of their cache's capacity, and hold no more") {
    Fixture f;
    SECTION("a CPU without main") {
        f.main() = {};
    }
    SECTION("a debug cache with one") {
        auto& checked = *f.sheaves.kmem_cache_create(
            {.name = "checked", .size = 64, .flags = CacheFlags::consistency_checks});
        checked.sheaves[a].main = Sheaf{4};
    }
    SECTION("too many objects") {
        f.main().set_count(5);
    }
    SECTION("another capacity") {
        f.slot(a).spare = Sheaf{8};
    }
    SECTION("another capacity in the barn") {
        f.cache.barn.empty.back() = Sheaf{8};
    }
    CHECK(f.law() == "H1");
}

TEST_CASE("H2: spare and barn have sheaves that are full or empty, not more than may be") {
    Fixture f;
    SECTION("a spare in between") {
        --f.slot(b).spare.top;
    }
    SECTION("a full sheaf among the empty ones") {
        std::swap(f.cache.barn.full.back(), f.cache.barn.empty.back());
    }
    SECTION("no sheaf on the list") {
        f.cache.barn.empty.back() = {};
    }
    SECTION("more than may be") {
        while (f.cache.barn.empty.size() <= 3) f.cache.barn.empty.emplace_back(4U);
        f.cache.barn.nr_empty = f.cache.barn.empty.size();
    }
    SECTION("another number is told") {
        ++f.cache.barn.nr_full;
    }
    CHECK(f.law() == "H2");
}

TEST_CASE("H3: an object is in one sheaf, or free in its slab, or in use") {
    Fixture f;
    SECTION("twice in one sheaf") {
        f.main().entries[0] = f.main().entries[1];
    }
    SECTION("in two sheaves") {
        f.main().entries[0] = f.cache.barn.full[0].entries[2];
    }
    SECTION("free in its slab too") {
        f.main().entries[0] = f.sheaves.slabs().first_free(f.cache.partial.head());
    }
    SECTION("of another cache") {
        f.main().entries[0] = f.sheaves.kmalloc(2000, GFP_KERNEL, a);
    }
    SECTION("not the begin of an object") {
        f.main().entries[0] = static_cast<std::byte*>(f.main().entries[0]) + 8;
    }
    CHECK(f.law() == "H3");
}

TEST_CASE("H4: what is out of the slabs is in use or in sheaves") {
    Fixture f;
    SECTION("lost from a sheaf") {
        --f.main().top;
    }
    SECTION("a sheaf lost with its objects") {
        f.cache.barn.full.pop_back();
        --f.cache.barn.nr_full;
    }
    SECTION("an allocation counted that was none") {
        f.slot(a).count(SheafEvent::alloc_fastpath);
    }
    CHECK(f.law() == "H4");
}

TEST_CASE("H5: no CPU has slabs") {
    Fixture f;
    const FrameIndex slab = f.cache.partial.head();
    f.cache.partial.remove(f.arena, slab);
    --f.cache.nr_partial;
    SlabWord word = SlabWord::load(f.arena.page_at(slab));
    word.frozen = true;
    word.store(f.arena.page_at(slab));
    CpuSlot& slot = f.cache.slots[a];
    slot.slab = slab;
    slot.slab_begin = reinterpret_cast<std::uintptr_t>(f.arena.address_at(slab));
    slot.slab_bytes = f.cache.geometry.order.bytes();
    CHECK(f.law() == "H5");
}

TEST_CASE("the laws of the slabs below are checked too") {
    Fixture f;
    SECTION("U5") {
        f.cache.slots[a].count(SlubEvent::alloc_slowpath);
        CHECK(f.law() == "U5");
    }
    SECTION("U3") {
        ++f.cache.nr_partial;
        CHECK(f.law() == "U3");
    }
    SECTION("G8") {
        void* const large = f.sheaves.kmalloc(20000, GFP_KERNEL, a);
        f.arena.page(f.arena.pfn(large)).store_state({});
        CHECK(f.law() == "G8");
    }
}

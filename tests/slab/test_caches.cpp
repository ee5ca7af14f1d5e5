#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "allocators/slab/slab.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
using Machine = Slab<OwnedCpus>;

struct Fixture {
    explicit Fixture(const SlabConfig& config = {}, unsigned cpu_count = 1)
        : cpus{cpu_count}, slab{pages, cpus, config, log} {}

    [[nodiscard]] std::string violation() const {
        const auto found = slab.find_violation();
        return found ? found->message() : "";
    }
    [[nodiscard]] std::vector<void*> take(Machine::Cache& cache, std::size_t count) {
        std::vector<void*> objects(count);
        REQUIRE(slab.kmem_cache_alloc_bulk(cache, GFP_KERNEL, objects, cpu) == count);
        return objects;
    }
    /// The row of a cache in slabinfo.
    [[nodiscard]] std::string row(const std::string& name) const {
        const std::string text = slab.slabinfo();
        const auto begin = text.find("\n" + name + " ") + 1;
        return text.substr(begin, text.find('\n', begin) - begin);
    }

    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus;
    std::vector<Misuse> reports;
    MisuseLog log = MisuseLog::keep_going([this](const Misuse& m) { reports.push_back(m); });
    Machine slab;
};

int constructed = 0;
void construct(void* object) {
    ++constructed;
    std::memset(object, 0x77, 40);
}

}  // namespace

TEST_CASE("a constructor runs once per object, and its work outlives frees") {
    Fixture f;
    constructed = 0;
    auto& cache = *f.slab.kmem_cache_create({.name = "made", .size = 40, .constructor = construct});
    for (int round = 0; round < 3; ++round) {
        const auto objects = f.take(cache, cache.geometry.objects);
        for (void* p : objects) {
            for (int i = 0; i < 40; ++i) REQUIRE(static_cast<unsigned char*>(p)[i] == 0x77);
        }
        for (void* p : objects) f.slab.kmem_cache_free(cache, p, cpu);
    }
    CHECK(constructed == static_cast<int>(cache.geometry.objects));
    SECTION("who asks for zeroed memory as well is told, and gets a constructed object") {
        void* const p = f.slab.kmem_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO, cpu);
        CHECK(*static_cast<unsigned char*>(p) == 0x77);
        REQUIRE(f.reports.size() == 1);
        CHECK(f.reports[0].kind == MisuseKind::bad_request);
    }
}

TEST_CASE("__GFP_ZERO gives zeroes, where the free indexes were too") {
    Fixture f;
    auto& cache = *f.slab.kmem_cache_create({.name = "zeroed", .size = 200});
    for (int round = 0; round < 100; ++round) {
        auto* const p =
            static_cast<unsigned char*>(f.slab.kmem_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO, cpu));
        CHECK(std::count(p, p + 200, 0) == 200);
        std::memset(p, 0xee, 200);
        if (round % 3 != 0) f.slab.kmem_cache_free(cache, p, cpu);
    }
    CHECK(f.violation() == "");
}

TEST_CASE("without memory the result is null and nothing has changed") {
    Fixture f;
    auto& cache = *f.slab.kmem_cache_create({.name = "poor", .size = 300});
    f.pages.fail_after(1);
    std::vector<void*> objects;
    while (void* const p = f.slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu)) objects.push_back(p);
    CHECK(objects.size() == cache.geometry.objects);
    CHECK(f.slab.last_path(cpu) == Path::failed);
    CHECK(f.violation() == "");
    std::vector<void*> bulk(3);
    f.slab.kmem_cache_free(cache, objects.back(), cpu);
    CHECK(f.slab.kmem_cache_alloc_bulk(cache, GFP_KERNEL, bulk, cpu) == 0);
    CHECK(cache.live() == objects.size() - 1);
    CHECK(f.violation() == "");
    f.pages.fail_never();
    CHECK(f.slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu) == objects.back());
}

TEST_CASE("a slab asks for pages of its order only, with the caller's flags and the cache's") {
    Fixture f;
    auto& cache =
        *f.slab.kmem_cache_create({.name = "rcl", .size = 5000, .flags = CacheFlags::reclaim_account});
    REQUIRE(cache.geometry.order == Order{1});
    REQUIRE(f.slab.kmem_cache_alloc(cache, GFP_KERNEL | __GFP_NOFAIL | __GFP_ZERO, cpu) != nullptr);
    CHECK(f.pages.last_gfp() == (GFP_KERNEL | __GFP_COMP | __GFP_RECLAIMABLE));
    f.pages.limit_order(Order{0});
    CHECK(f.slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu) == nullptr);  // SLAB-62: no second try
}

TEST_CASE("alike caches are one, unless a flag, a constructor or the tunable forbids it") {
    Fixture f;
    auto* const first = f.slab.kmem_cache_create({.name = "first", .size = 200});
    CHECK(f.slab.kmem_cache_create({.name = "alike", .size = 197}) == first);
    CHECK(first->references == 2);
    CHECK(f.slab.kmem_cache_create({.name = "smaller", .size = 192}) != first);
    CHECK(f.slab.kmem_cache_create({.name = "aligned", .size = 200, .align = 32}) != first);
    CHECK(f.slab.kmem_cache_create({.name = "rcl", .size = 200, .flags = CacheFlags::reclaim_account}) !=
          first);
    CHECK(f.slab.kmem_cache_create({.name = "made", .size = 200, .constructor = construct}) != first);
    CHECK(f.slab.kmem_cache_destroy(*first, cpu));
    CHECK(first->references == 1);
    Fixture apart{{.merge = false}};
    CHECK(apart.slab.kmem_cache_create({.name = "a", .size = 200}) !=
          apart.slab.kmem_cache_create({.name = "b", .size = 200}));
}

TEST_CASE("a cache with objects is not destroyed, and says which remain") {
    Fixture f;
    auto& cache =
        *f.slab.kmem_cache_create({.name = "leaky", .size = 72, .flags = CacheFlags::reclaim_account});
    void* const p = f.slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    CHECK_FALSE(f.slab.kmem_cache_destroy(cache, cpu));
    REQUIRE(f.reports.size() == 1);
    CHECK(f.reports[0].kind == MisuseKind::objects_remain);
    CHECK(f.reports[0].address == p);
    CHECK(f.reports[0].report.find("Objects remaining in leaky on __kmem_cache_shutdown()") !=
          std::string::npos);
    CHECK(cache.references == 1);
    f.slab.kmem_cache_free(cache, p, cpu);
    CHECK(f.slab.kmem_cache_destroy(cache, cpu));
    CHECK(f.violation() == "");
    CHECK(f.pages.held_pages() == 0);
}

TEST_CASE("misuse is reported by its kind, at the latest when the object returns to its slab") {
    Fixture f;
    auto& cache = *f.slab.kmem_cache_create({.name = "used", .size = 104});
    auto& other = *f.slab.kmem_cache_create({.name = "other", .size = 700});
    auto* const p = static_cast<std::byte*>(f.slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
    auto* const large = static_cast<std::byte*>(f.slab.kmalloc(50000, GFP_KERNEL, cpu));
    std::array<std::byte, 256> on_stack{};
    const auto kind = [&] {
        f.slab.kmem_cache_shrink(cache, cpu);
        f.slab.kmem_cache_shrink(other, cpu);
        REQUIRE(f.reports.size() == 1);
        CHECK(f.violation() == "");
        const MisuseKind found = f.reports[0].kind;
        f.reports.clear();
        return found;
    };
    SECTION("foreign") {
        f.slab.kfree(on_stack.data(), cpu);
        CHECK(kind() == MisuseKind::foreign_pointer);
        f.slab.kmem_cache_free(cache, on_stack.data(), cpu);
        CHECK(kind() == MisuseKind::foreign_pointer);
        f.slab.kfree(f.arena.address_at(5000), cpu);  // a frame that nobody ever had
        CHECK(kind() == MisuseKind::foreign_pointer);
        f.slab.kmem_cache_free(cache, f.arena.address_at(5000), cpu);
        CHECK(kind() == MisuseKind::foreign_pointer);
    }
    SECTION("interior") {
        f.slab.kmem_cache_free(cache, p + 8, cpu);
        CHECK(kind() == MisuseKind::interior_pointer);
        f.slab.kfree(large + 4096, cpu);
        CHECK(kind() == MisuseKind::interior_pointer);
    }
    SECTION("wrong cache") {
        f.slab.kmem_cache_free(other, p, cpu);
        CHECK(kind() == MisuseKind::wrong_cache);
        f.slab.kmem_cache_free(cache, large, cpu);
        CHECK(kind() == MisuseKind::foreign_pointer);
    }
    SECTION("twice") {
        f.slab.kmem_cache_free(cache, p, cpu);
        f.slab.kmem_cache_free(cache, p, cpu);
        CHECK(kind() == MisuseKind::double_free);
    }
    f.slab.kfree(large, cpu);
    CHECK(f.reports.empty());
}

TEST_CASE("random orders keep every law and repeat with the seed") {
    const auto offsets = [](std::uint64_t seed, std::size_t size) {
        Fixture g{{.freelist_random = true, .seed = seed}};
        auto& cache = *g.slab.kmem_cache_create({.name = "odd", .size = size});
        std::vector<std::size_t> order;
        for (std::uint32_t i = 0; i < cache.geometry.objects * 3; ++i) {
            order.push_back(g.arena.offset_of(g.slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu)));
        }
        CHECK(g.violation() == "");
        return order;
    };
    for (const std::size_t size : {std::size_t{16}, std::size_t{192}, std::size_t{2000}}) {
        const auto order = offsets(1, size);
        CHECK_FALSE(std::is_sorted(order.rbegin(), order.rend()));
        CHECK(order == offsets(1, size));
        CHECK(order != offsets(2, size));
        CHECK(std::set<std::size_t>(order.begin(), order.end()).size() == order.size());
    }
}

TEST_CASE("slabinfo is in the kernel's form, tunables included") {
    Fixture f{{}, 4};
    auto& cache = *f.slab.kmem_cache_create({.name = "shown", .size = 1000});
    auto objects = f.take(cache, 100);
    CHECK(f.slab.slabinfo().starts_with("slabinfo - version: 2.1\n# name            <active_objs>"));
    CHECK(f.row("shown") ==
          "shown                100    100   1000    4    1 : tunables   54   27    8"
          " : slabdata     25     25      0");
    f.slab.kmem_cache_free_bulk(cache, objects, CpuId{2});
    // 54 in the array and 46 of the shared one: none has come back to a slab.
    CHECK(f.row("shown").ends_with("tunables   54   27    8 : slabdata     25     25     54"));
    CHECK(f.row("kmalloc-8k").find(" : tunables    8    4    0 : ") != std::string::npos);
    CHECK(f.slab.snapshot().at(0).name == "slabinfo");
}

TEST_CASE("a write to slabinfo changes the arrays, and gives back what they held") {
    Fixture f{{}, 2};
    auto& cache = *f.slab.kmem_cache_create({.name = "tuned", .size = 500});
    auto objects = f.take(cache, 200);
    f.slab.kmem_cache_free_bulk(cache, objects, CpuId{1});
    REQUIRE(cache.node.shared.avail > 0);
    CHECK_FALSE(f.slab.tune(cache, 0, 1, 0, cpu));
    CHECK_FALSE(f.slab.tune(cache, 4, 5, 0, cpu));
    CHECK_FALSE(f.slab.tune(cache, 4, 0, 0, cpu));
    REQUIRE(cache.geometry.limit == 54);
    CHECK(f.slab.tune(cache, 10, 4, 2, cpu));
    CHECK(cache.arrays[CpuId{1}].avail == 0);
    CHECK(cache.node.shared.avail == 0);
    CHECK(cache.node.shared.limit == 8);
    CHECK(cache.node.free_limit == 3 * 4 + cache.geometry.objects);
    CHECK(f.row("tuned").find(" : tunables   10    4    2 : ") != std::string::npos);
    CHECK(f.violation() == "");
    objects = f.take(cache, 12);
    f.slab.kmem_cache_free_bulk(cache, objects, cpu);
    CHECK(cache.arrays[cpu].avail <= 10);
    CHECK(f.slab.tune(cache, 10, 4, 0, cpu));
    CHECK(cache.node.shared.limit == 0);
    CHECK(f.violation() == "");
}

TEST_CASE("tunables of the configuration hold for every cache") {
    Fixture f{{.limit = 6, .batchcount = 2, .shared = "0"}, 2};
    auto& cache = *f.slab.kmem_cache_create({.name = "set", .size = 100});
    CHECK(cache.arrays[cpu].limit == 6);
    CHECK(cache.node.shared.limit == 0);
    CHECK(f.slab.kmalloc_cache(64, GFP_KERNEL).geometry.batchcount == 2);
    CHECK_THROWS_AS((Fixture{{.limit = 2, .batchcount = 3}}), UsageError);
}

TEST_CASE("free objects in slabs stay below the limit, longest empty slabs go first") {
    Fixture f;
    auto& cache = *f.slab.kmem_cache_create({.name = "limited", .size = 1000});
    auto objects = f.take(cache, 400);
    CHECK(f.pages.held_pages() == 100);
    f.slab.kmem_cache_free_bulk(cache, objects, cpu);
    CHECK(cache.node.free_objects <= cache.node.free_limit);
    CHECK(cache.node.free_limit == 2 * 27 + 4);
    CHECK(f.slab.stats().frees[static_cast<std::size_t>(Path::discard)] > 0);
    CHECK_FALSE(f.slab.kmem_cache_shrink(cache, cpu));
    CHECK(f.pages.held_pages() == 0);
    CHECK(f.violation() == "");
}

TEST_CASE("kmalloc caches are older than the last CPU, and count one CPU less") {
    Fixture f{{}, 4};
    const auto& kmalloc = f.slab.kmalloc_cache(64, GFP_KERNEL);
    CHECK(kmalloc.node.free_limit == 4 * 60 + kmalloc.geometry.objects);
    const auto& later = *f.slab.kmem_cache_create({.name = "later", .size = 72});
    CHECK(later.node.free_limit == 5 * 60 + later.geometry.objects);
}

TEST_CASE("a cache that cannot be is a usage error") {
    Fixture f;
    CHECK_THROWS_AS(f.slab.kmem_cache_create({.name = "none", .size = 0}), UsageError);
    CHECK_THROWS_AS(f.slab.kmem_cache_create({.name = "huge", .size = kmalloc_max_size + 1}), UsageError);
    CHECK_THROWS_AS(f.slab.kmem_cache_create({.name = "odd", .size = 64, .align = 24}), UsageError);
}

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <set>

#include "allocators/slub/slub.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
using Machine = Slub<OwnedCpus>;

struct Fixture {
    explicit Fixture(const SlubConfig& config = {}, unsigned cpu_count = 1)
        : cpus{cpu_count}, slub{pages, cpus, config, log} {}

    [[nodiscard]] std::string violation() const {
        const auto found = slub.find_violation();
        return found ? found->message() : "";
    }
    [[nodiscard]] std::string attribute(const Machine::Cache& cache, const std::string& name) const {
        for (const Text& text : slub.attributes(cache)) {
            if (text.name == "slab/" + cache.name + "/" + name) return text.content;
        }
        return "no such attribute";
    }

    Arena arena{std::size_t{32} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus;
    std::vector<Misuse> reports;
    MisuseLog log = MisuseLog::keep_going([this](const Misuse& m) { reports.push_back(m); });
    Machine slub;
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
    auto& cache = *f.slub.kmem_cache_create({.name = "made", .size = 40, .constructor = construct});
    std::vector<void*> objects(cache.geometry.objects);
    for (int round = 0; round < 3; ++round) {
        for (void*& p : objects) {
            p = f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
            for (int i = 0; i < 40; ++i) REQUIRE(static_cast<unsigned char*>(p)[i] == 0x77);
        }
        for (void* p : objects) f.slub.kmem_cache_free(cache, p, cpu);
    }
    CHECK(constructed == static_cast<int>(cache.geometry.objects));
    SECTION("who asks for zeroed memory as well is told, and gets a constructed object") {
        void* const p = f.slub.kmem_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO, cpu);
        CHECK(*static_cast<unsigned char*>(p) == 0x77);
        REQUIRE(f.reports.size() == 1);
        CHECK(f.reports[0].kind == MisuseKind::bad_request);
    }
}

TEST_CASE("__GFP_ZERO gives zeroes, where the free pointer was too") {
    Fixture f;
    auto& cache = *f.slub.kmem_cache_create({.name = "zeroed", .size = 200});
    for (int round = 0; round < 100; ++round) {
        auto* const p =
            static_cast<unsigned char*>(f.slub.kmem_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO, cpu));
        CHECK(std::count(p, p + 200, 0) == 200);
        std::memset(p, 0xee, 200);
        f.slub.kmem_cache_free(cache, p, cpu);
    }
}

TEST_CASE("without memory the result is null and nothing has changed") {
    Fixture f;
    auto& cache = *f.slub.kmem_cache_create({.name = "poor", .size = 300});
    f.pages.fail_after(1);
    std::vector<void*> objects;
    while (void* const p = f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu)) objects.push_back(p);
    CHECK(objects.size() == cache.geometry.objects);
    CHECK(f.slub.last_path(cpu) == Path::failed);
    CHECK(f.violation() == "");
    std::vector<void*> bulk(3);
    f.slub.kmem_cache_free(cache, objects.back(), cpu);
    CHECK(f.slub.kmem_cache_alloc_bulk(cache, GFP_KERNEL, bulk, cpu) == 0);
    CHECK(cache.live() == objects.size() - 1);
    CHECK(f.violation() == "");
    f.pages.fail_never();
    CHECK(f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu) == objects.back());
}

TEST_CASE("when the wanted order fails the least order serves, with the caller's own flags") {
    Fixture f;
    auto& cache = *f.slub.kmem_cache_create({.name = "fallback", .size = 1000});
    REQUIRE(cache.geometry.order == Order{1});
    f.pages.limit_order(Order{0});
    REQUIRE(f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu) != nullptr);
    CHECK(cache.total_objects == 4);
    CHECK(cache.total(SlubEvent::order_fallback) == 1);
    CHECK((f.pages.last_gfp() & GFP_KERNEL) == GFP_KERNEL);
    f.pages.limit_order({});
    for (int i = 0; i < 4; ++i) REQUIRE(f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu) != nullptr);
    CHECK(f.pages.last_gfp().has(__GFP_COMP));
    CHECK(f.pages.last_gfp().has(__GFP_NOMEMALLOC));
    CHECK_FALSE(f.pages.last_gfp().has(__GFP_RECLAIM));  // SLUB-7
    CHECK(f.violation() == "");
}

TEST_CASE("alike caches are one, unless a flag, a constructor or the tunable forbids it") {
    Fixture f;
    auto* const first = f.slub.kmem_cache_create({.name = "first", .size = 200});
    CHECK(f.slub.kmem_cache_create({.name = "alike", .size = 197}) == first);
    CHECK(first->references == 2);
    CHECK(f.attribute(*first, "aliases") == "1\n");
    CHECK(f.slub.kmem_cache_create({.name = "smaller", .size = 192}) != first);
    CHECK(f.slub.kmem_cache_create({.name = "rcl", .size = 200, .flags = CacheFlags::reclaim_account}) !=
          first);
    CHECK(f.slub.kmem_cache_create({.name = "red", .size = 200, .flags = CacheFlags::red_zone}) != first);
    CHECK(f.slub.kmem_cache_create({.name = "made", .size = 200, .constructor = construct}) != first);
    CHECK(f.slub.kmem_cache_destroy(*first, cpu));
    CHECK(first->references == 1);
    Fixture apart{{.merge = false}};
    CHECK(apart.slub.kmem_cache_create({.name = "a", .size = 200}) !=
          apart.slub.kmem_cache_create({.name = "b", .size = 200}));
}

TEST_CASE("a cache with objects is not destroyed, and says which remain") {
    Fixture f;
    auto& cache =
        *f.slub.kmem_cache_create({.name = "leaky", .size = 64, .flags = CacheFlags::reclaim_account});
    void* const p = f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    CHECK_FALSE(f.slub.kmem_cache_destroy(cache, cpu));
    REQUIRE(f.reports.size() == 1);
    CHECK(f.reports[0].kind == MisuseKind::objects_remain);
    CHECK(f.reports[0].report.find("Objects remaining in leaky on __kmem_cache_shutdown()") !=
          std::string::npos);
    CHECK(f.reports[0].report.find(fmt::format("Object 0x{:016x} @offset=0\n",
                                               reinterpret_cast<std::uintptr_t>(p))) != std::string::npos);
    CHECK(f.violation() == "");  // it still serves its description
    f.slub.kmem_cache_free(cache, p, cpu);
    CHECK(f.slub.kmem_cache_destroy(cache, cpu));
    CHECK(f.violation() == "");
    CHECK(f.pages.held_pages() == 0);
}

TEST_CASE("misuse is reported by its kind, and harms nothing") {
    Fixture f;
    auto& cache = *f.slub.kmem_cache_create({.name = "used", .size = 104});
    auto& other = *f.slub.kmem_cache_create({.name = "other", .size = 700});
    auto* const p = static_cast<std::byte*>(f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
    auto* const large = static_cast<std::byte*>(f.slub.kmalloc(50000, GFP_KERNEL, cpu));
    std::array<std::byte, 256> on_stack{};
    f.slub.flush_cpu(cache, cpu, cpu);  // so that frees of it are looked at
    const auto kind = [&] {
        REQUIRE(f.reports.size() == 1);
        const MisuseKind found = f.reports[0].kind;
        f.reports.clear();
        return found;
    };
    f.slub.kfree(on_stack.data(), cpu);
    CHECK(kind() == MisuseKind::foreign_pointer);
    f.slub.kfree(f.arena.address_at(5000), cpu);  // a frame that nobody ever had
    CHECK(kind() == MisuseKind::foreign_pointer);
    f.slub.kmem_cache_free(cache, p + 8, cpu);
    CHECK(kind() == MisuseKind::interior_pointer);
    f.slub.kfree(large + 4096, cpu);
    CHECK(kind() == MisuseKind::interior_pointer);
    f.slub.kmem_cache_free(other, p, cpu);
    CHECK(kind() == MisuseKind::wrong_cache);  // it went back to its own cache
    CHECK(cache.live() == 0);
    f.slub.kfree(large, cpu);
    CHECK(f.reports.empty());
    CHECK(f.violation() == "");
}

TEST_CASE("a slab at the arena's first frame is told from frames that were never used") {
    Fixture f;
    auto& cache = *f.slub.kmem_cache_create({.name = "first", .size = 64});
    void* const p = f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    REQUIRE(f.arena.pfn(p) == f.arena.start());
    f.slub.kmem_cache_free(cache, f.arena.address_at(100), cpu);
    CHECK(f.reports.size() == 1);
    f.slub.kmem_cache_free(cache, p, cpu);
    CHECK(cache.total(SlubEvent::free_fastpath) == 1);
    CHECK(f.violation() == "");
}

TEST_CASE("encoded free pointers and random orders keep every law") {
    Fixture f{{.freelist_random = true, .freelist_hardened = true}, 2};
    auto& cache = *f.slub.kmem_cache_create({.name = "odd", .size = 96});
    std::vector<void*> live;
    std::vector<std::ptrdiff_t> steps;
    std::uint64_t x = 42;
    for (int i = 0; i < 4000; ++i) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        const CpuId on{static_cast<unsigned>(x >> 20 & 1)};
        if (live.empty() || x % 5 < 3) {
            live.push_back(f.slub.kmem_cache_alloc(cache, GFP_KERNEL, on));
            std::memset(live.back(), 0, 96);
        } else {
            std::swap(live[x / 8 % live.size()], live.back());
            f.slub.kmem_cache_free(cache, live.back(), on);
            live.pop_back();
        }
    }
    CHECK(f.violation() == "");
    CHECK(std::set<void*>(live.begin(), live.end()).size() == live.size());
    SECTION("the order of a new slab is not ascending, and the same seed gives it again") {
        const auto offsets = [](std::uint64_t seed) {
            Fixture g{{.freelist_random = true, .seed = seed}};
            std::vector<std::size_t> order;
            for (int i = 0; i < 21; ++i) {
                order.push_back(g.arena.offset_of(g.slub.kmalloc(192, GFP_KERNEL, cpu)));
            }
            return order;
        };
        const auto order = offsets(1);
        CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
        CHECK(order == offsets(1));
        CHECK(order != offsets(2));
        CHECK(std::set<std::size_t>(order.begin(), order.end()).size() == order.size());
    }
}

TEST_CASE("slabinfo is in the kernel's form") {
    Fixture f;
    auto& cache = *f.slub.kmem_cache_create({.name = "shown", .size = 1000});
    for (int i = 0; i < 10; ++i) REQUIRE(f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu) != nullptr);
    const std::string text = f.slub.slabinfo();
    CHECK(text.starts_with("slabinfo - version: 2.1\n# name            <active_objs>"));
    CHECK(text.find("\nshown                 16     16   1000    8    2 : tunables    0    0    0"
                    " : slabdata      2      2      0\n") != std::string::npos);
    CHECK(text.find("\nkmalloc-8k ") != std::string::npos);
    CHECK(f.slub.snapshot().at(0).name == "slabinfo");
}

TEST_CASE("attributes are those of the kernel's sysfs") {
    Fixture f{{}, 4};
    auto& cache = *f.slub.kmem_cache_create({.name = "shown", .size = 1000});
    std::vector<void*> objects;
    for (int i = 0; i < 64; ++i) objects.push_back(f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
    f.slub.kmem_cache_free(cache, objects[0], CpuId{3});
    CHECK(f.attribute(cache, "slab_size") == "1000\n");
    CHECK(f.attribute(cache, "objs_per_slab") == "16\n");
    CHECK(f.attribute(cache, "order") == "2\n");
    CHECK(f.attribute(cache, "cpu_partial") == "52\n");
    CHECK(f.attribute(cache, "slabs") == "4\n");
    CHECK(f.attribute(cache, "cpu_slabs") == "2\n");
    CHECK(f.attribute(cache, "slabs_cpu_partial") == "8(1) C3=8(1)\n");
    f.slub.set_cpu_partial(cache, 0, cpu);
    CHECK(f.attribute(cache, "cpu_slabs") == "0\n");
    CHECK(f.attribute(cache, "objects_partial") == "15\n");
    CHECK(f.attribute(cache, "objects") == "63\n");
    CHECK(f.attribute(cache, "total_objects") == "64\n");
}

TEST_CASE("after a shrink no empty slab is left and the node's list runs from full to empty") {
    Fixture f;
    auto& cache = *f.slub.kmem_cache_create({.name = "shrunk", .size = 1000});
    std::vector<void*> objects;
    for (int i = 0; i < 400; ++i) objects.push_back(f.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
    for (std::size_t i = 0; i < objects.size(); ++i) {
        if (i % 8 < i / 8 % 9) f.slub.kmem_cache_free(cache, objects[i], cpu);
    }
    const std::uint64_t live = cache.live();
    CHECK(f.slub.kmem_cache_shrink(cache, cpu));
    std::uint32_t before = cache.geometry.objects;
    cache.partial.walk(f.arena, f.arena.frames(), [&](FrameIndex slab) {
        const std::uint32_t inuse = SlabWord::load(f.arena.page_at(slab)).inuse;
        CHECK(inuse > 0);
        CHECK(inuse <= before);
        before = inuse;
        return true;
    });
    CHECK(cache.live() == live);
    CHECK(f.violation() == "");
}

// Each law broken deep inside, and named by find_violation().
#include <catch2/catch.hpp>

#include <functional>

#include "allocators/slub/slub.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
using Machine = Slub<SimulatedCpus>;

/// Two CPUs; a cache with live objects, a slab of CPU 0, slabs on CPU 1's partial list and on the node's.
struct Fixture {
    explicit Fixture(CacheFlags flags = CacheFlags::none, const SlubConfig& config = {})
        : slub{pages, cpus, config, log},
          cache{*slub.kmem_cache_create({.name = "victim", .size = 1000, .flags = flags})} {
        for (int i = 0; i < 200; ++i) objects.push_back(slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
        for (std::size_t i = 0; i < objects.size(); i += 3) {
            slub.kmem_cache_free(cache, objects[i], CpuId{1});
        }
    }
    [[nodiscard]] std::string law() const {
        const auto violation = slub.find_violation();
        return violation ? std::string{violation->law} : "";
    }
    [[nodiscard]] FrameIndex slab_of(const void* p) const { return arena.page(arena.pfn(p)).head; }
    void change_word(FrameIndex slab, const std::function<void(SlabWord&)>& change) {
        SlabWord word = SlabWord::load(arena.page_at(slab));
        change(word);
        word.store(arena.page_at(slab));
    }
    [[nodiscard]] CpuSlot& slot(unsigned c = 0) { return cache.slots[CpuId{c}]; }
    [[nodiscard]] FrameIndex partial() const { return cache.partial.head(); }
    [[nodiscard]] void* first_free(FrameIndex slab) const {
        return arena.address_at(slab) + std::size_t{SlabWord::load(arena.page_at(slab)).freelist} * 8;
    }

    Arena arena{std::size_t{16} << 20};
    BumpPages pages{arena};
    SimulatedCpus cpus{2};
    MisuseLog log = MisuseLog::keep_going();
    Machine slub;
    Machine::Cache& cache;
    std::vector<void*> objects;
};

}  // namespace

TEST_CASE("an untouched machine breaks no law") {
    Fixture f;
    REQUIRE(f.slot().slab != no_frame);
    REQUIRE(f.slot(1).partial != no_frame);
    REQUIRE(f.cache.nr_partial > 0);
    const auto violation = f.slub.find_violation();
    CHECK((violation ? violation->message() : "") == "");
}

TEST_CASE("U1: a free list that bites its tail, leaves the slab, or has another length") {
    SECTION("cycle") {
        Fixture f;
        void* const o = f.first_free(f.partial());
        set_free_pointer(f.cache, get_free_pointer(f.cache, o), o);
        CHECK(f.law() == "U1");
    }
    SECTION("into another slab") {
        Fixture f;
        set_free_pointer(f.cache, f.first_free(f.partial()), f.arena.address_at(f.slot().slab));
        CHECK(f.law() == "U1");
    }
    SECTION("off the stride") {
        Fixture f;
        set_free_pointer(f.cache, f.first_free(f.partial()),
                         static_cast<std::byte*>(f.first_free(f.partial())) + 8);
        CHECK(f.law() == "U1");
    }
    SECTION("cut short") {
        Fixture f;
        set_free_pointer(f.cache, f.first_free(f.partial()), nullptr);
        CHECK(f.law() == "U1");
    }
    SECTION("a CPU's list holds what its slab's list holds") {
        Fixture f;
        const FrameIndex slab = f.slot().slab;
        f.change_word(slab, [&](SlabWord& w) {
            w.freelist = static_cast<std::uint32_t>(static_cast<std::byte*>(f.slot().freelist) -
                                                    f.arena.address_at(slab)) /
                         8;
        });
        CHECK(f.law() == "U1");
    }
}

TEST_CASE("U2: frozen and of a CPU are the same, and only one CPU's") {
    SECTION("a CPU's slab is not frozen") {
        Fixture f;
        f.change_word(f.slot().slab, [](SlabWord& w) { w.frozen = false; });
        CHECK(f.law() == "U2");
    }
    SECTION("an orphan is frozen") {
        Fixture f;
        f.change_word(f.partial(), [](SlabWord& w) { w.frozen = true; });
        CHECK(f.law() == "U2");
    }
    SECTION("one slab, two CPUs") {
        Fixture f;
        f.slot(1).slab = f.slot(0).slab;
        CHECK(f.law() == "U2");
    }
    SECTION("objects of no slab") {
        Fixture f;
        f.slot(1).freelist = f.objects[1];
        f.slot(1).slab = no_frame;
        CHECK(f.law() == "U2");
    }
    SECTION("frees go to a slab that is not the CPU's") {
        Fixture f;
        f.slot().slab_begin += f.slot().slab_bytes;
        CHECK(f.law() == "U2");
    }
    SECTION("a frame of a slab names another head") {
        Fixture f;
        f.arena.page_at(f.partial() + 1).head = f.slot().slab;
        CHECK(f.law() == "U2");
    }
}

TEST_CASE("U3: the node's lists and counters") {
    SECTION("nr_partial") {
        Fixture f;
        ++f.cache.nr_partial;
        CHECK(f.law() == "U3");
    }
    SECTION("nr_slabs") {
        Fixture f;
        --f.cache.nr_slabs;
        CHECK(f.law() == "U3");
    }
    SECTION("total_objects") {
        Fixture f;
        ++f.cache.total_objects;
        CHECK(f.law() == "U3");
    }
    SECTION("a link that does not go back") {
        Fixture f;
        const FrameIndex second = f.arena.page_at(f.partial()).next;
        REQUIRE(second != no_frame);
        f.arena.page_at(second).prev = second;
        CHECK(f.law() == "U3");
    }
    SECTION("a slab with free objects on no list") {
        Fixture f;
        f.cache.partial.remove(f.arena, f.partial());
        --f.cache.nr_partial;
        CHECK(f.law() == "U3");
    }
    SECTION("more empty slabs than may be kept") {
        Fixture f;
        for (std::size_t i = 0; i < f.objects.size(); ++i) {
            if (i % 3 != 0) f.slub.kmem_cache_free(f.cache, f.objects[i], cpu);
        }
        f.slub.flush_cpu(f.cache, CpuId{0}, cpu);
        f.slub.flush_cpu(f.cache, CpuId{1}, cpu);
        REQUIRE(f.law() == "");
        f.cache.most_empty = 1;
        CHECK(f.law() == "U3");
    }
}

TEST_CASE("U4: the length of a CPU's partial list") {
    Fixture f;
    ++f.slot(1).partial_count;
    CHECK(f.law() == "U4");
}

TEST_CASE("U5: handed out and not back") {
    Fixture f;
    f.slot().count(SlubEvent::alloc_fastpath);
    CHECK(f.law() == "U5");
}

TEST_CASE("U6: a transaction number belongs to its CPU") {
    Fixture f;
    ++f.slot().tid;
    CHECK(f.law() == "U6");
}

TEST_CASE("U7: counts fit the slab") {
    Fixture f;
    f.change_word(f.partial(), [](SlabWord& w) { --w.objects; });
    --f.cache.total_objects;
    CHECK(f.law() == "U7");
}

TEST_CASE("U8: bytes that nobody may write") {
    constexpr CacheFlags all =
        CacheFlags::consistency_checks | CacheFlags::red_zone | CacheFlags::poison | CacheFlags::store_user;
    Fixture f{all};
    const Geometry& g = f.cache.geometry;
    auto* const live = static_cast<std::byte*>(f.objects[1]);
    auto* const free = static_cast<std::byte*>(f.first_free(f.partial()));
    REQUIRE(f.law() == "");
    const auto flip = [&](std::byte& b) {
        b = ~b;
        const std::string law = f.law();
        b = ~b;
        return law;
    };
    CHECK(flip(live[-1]) == "U8");
    CHECK(flip(live[g.object_size]) == "U8");
    CHECK(flip(free[-1]) == "U8");
    CHECK(flip(free[0]) == "U8");
    CHECK(flip(free[g.object_size - 1]) == "U8");
    CHECK(flip(live[g.size_from_object() - 1]) == "U8");
    CHECK(flip(f.arena.address_at(f.slab_of(live))[g.order.bytes() - 1]) == "U8");
    auto& owner_cpu = live[g.info_end() + offsetof(OwnerRecord, cpu)];
    CHECK(flip(owner_cpu) == "U8");
    CHECK(f.law() == "");
}

TEST_CASE("U3: the full list of a cache that tracks owners") {
    Fixture f{CacheFlags::store_user};
    std::vector<void*> more;
    for (int i = 0; i < 200; ++i) more.push_back(f.slub.kmem_cache_alloc(f.cache, GFP_KERNEL, cpu));
    REQUIRE(f.law() == "");
    REQUIRE(f.cache.nr_full > 0);
    SECTION("count") {
        --f.cache.nr_full;
    }
    SECTION("member") {
        f.cache.full.remove(f.arena, f.cache.full.head());
        --f.cache.nr_full;
    }
    CHECK(f.law() == "U3");
}

TEST_CASE("U10: a random order is a permutation") {
    Fixture f{CacheFlags::none, {.freelist_random = true}};
    REQUIRE(f.law() == "");
    f.cache.random_order[0] = f.cache.random_order[1];
    CHECK(f.law() == "U10");
}

TEST_CASE("U12: slabs belong to caches that exist, and only mergeable ones are shared") {
    Fixture f;
    SECTION("owner") {
        int other = 0;
        f.arena.page_at(f.partial()).owner = &other;
        CHECK(f.law() == "U12");
    }
    SECTION("references") {
        f.cache.references = 0;
        CHECK(f.law() == "U12");
    }
}

TEST_CASE("G8: pages taken are pages in slabs and large blocks") {
    Fixture f;
    void* const large = f.slub.kmalloc(20000, GFP_KERNEL, cpu);
    REQUIRE(f.law() == "");
    f.arena.page(f.arena.pfn(large)).store_state({});
    CHECK(f.law() == "G8");
}

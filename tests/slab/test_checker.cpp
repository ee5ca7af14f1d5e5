// Each law broken deep inside, and named by find_violation().
#include <catch2/catch.hpp>

#include <cstring>
#include <functional>

#include "allocators/slab/slab.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
using Machine = Slab<SimulatedCpus>;

void construct(void* object) {
    std::memset(object, 0x77, 64);
}

/// Two CPUs; a cache with live objects, objects in both CPUs' arrays and in the shared one, and slabs on all
/// three lists.
struct Fixture {
    explicit Fixture(Constructor constructor = nullptr, std::size_t size = 1000)
        : cache{*slab.kmem_cache_create({.name = "victim", .size = size, .constructor = constructor})} {
        for (int i = 0; i < 700; ++i) objects.push_back(slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
        for (std::size_t i = 0; i < objects.size(); ++i) {
            if (i % 10 != 0 && i < 500) slab.kmem_cache_free(cache, objects[i], CpuId{1});
            if (i % 5 != 0 && i >= 690) slab.kmem_cache_free(cache, objects[i], cpu);
        }
        for (int i = 0; i < 4; ++i)
            slab.kmem_cache_free(cache, objects[static_cast<std::size_t>(i) * 10], cpu);
    }
    [[nodiscard]] std::string law() const {
        const auto violation = slab.find_violation();
        return violation ? std::string{violation->law} : "";
    }
    [[nodiscard]] FrameIndex partial() const { return cache.node.partial.head(); }
    [[nodiscard]] SlabHead head(FrameIndex index) const { return SlabHead::load(arena.page_at(index)); }
    void change_head(FrameIndex index, const std::function<void(SlabHead&)>& change) {
        SlabHead changed = head(index);
        change(changed);
        changed.store(arena.page_at(index));
    }
    [[nodiscard]] std::byte* first_object(FrameIndex index) const {
        return arena.address_at(index) + head(index).colour;
    }
    /// The free indexes of a slab that keeps them in a free object.
    [[nodiscard]] std::uint8_t* indexes(FrameIndex index) const {
        return reinterpret_cast<std::uint8_t*>(first_object(index) +
                                               head(index).position * cache.geometry.size);
    }
    [[nodiscard]] ArrayCache& array(unsigned c = 0) { return cache.arrays[CpuId{c}]; }

    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    SimulatedCpus cpus{2};
    MisuseLog log = MisuseLog::keep_going();
    Machine slab{pages, cpus, {}, log};
    Machine::Cache& cache;
    std::vector<void*> objects;
};

}  // namespace

TEST_CASE("an untouched machine breaks no law") {
    Fixture f;
    REQUIRE(f.array(0).avail > 1);
    REQUIRE(f.array(1).avail > 1);
    REQUIRE(f.cache.node.shared.avail > 1);
    REQUIRE(f.cache.geometry.place == IndexPlace::in_object);
    REQUIRE_FALSE(f.cache.node.partial.empty());
    REQUIRE_FALSE(f.cache.node.full.empty());
    REQUIRE(f.cache.node.free_slabs > 0);
    const auto violation = f.slab.find_violation();
    CHECK((violation ? violation->message() : "") == "");
}

TEST_CASE("S1: free indexes are distinct, of objects, and of none that is in an array") {
    Fixture f;
    SECTION("twice") {
        const FrameIndex free = f.cache.node.free.head();
        f.indexes(free)[0] = f.indexes(free)[1];
    }
    SECTION("of no object") {
        f.indexes(f.cache.node.free.head())[0] = 4;
    }
    SECTION("in an array too") {
        const FrameIndex free = f.cache.node.free.head();
        f.array().entries[0] = f.first_object(free);
    }
    SECTION("more out than there are") {
        f.change_head(f.cache.node.full.head(), [](SlabHead& h) { ++h.active; });
    }
    CHECK(f.law() == "S1");
}

TEST_CASE("S2: the number of objects out says on which list a slab is") {
    Fixture f;
    SECTION("on another list") {
        const FrameIndex slab = f.cache.node.full.pop_head(f.arena);
        f.cache.node.partial.push_head(f.arena, slab);
    }
    SECTION("on none") {
        f.cache.node.full.remove(f.arena, f.cache.node.full.head());
    }
    SECTION("links that do not go back") {
        const FrameIndex second = f.arena.page_at(f.cache.node.full.head()).next;
        REQUIRE(second != no_frame);
        f.arena.page_at(second).prev = second;
    }
    SECTION("a frame that is no slab") {
        f.cache.node.partial.push_tail(f.arena, FrameIndex{9000});
    }
    CHECK(f.law() == "S2");
}

TEST_CASE("S3: the node's counters") {
    Fixture f;
    SECTION("free objects") {
        ++f.cache.node.free_objects;
    }
    SECTION("slabs") {
        --f.cache.node.total_slabs;
    }
    SECTION("free slabs") {
        ++f.cache.node.free_slabs;
    }
    CHECK(f.law() == "S3");
}

TEST_CASE("S4: arrays hold distinct free objects of their cache, as many as they say") {
    Fixture f;
    SECTION("more than the limit") {
        f.array().avail = f.array().limit + 1;
    }
    SECTION("a batch larger than the array") {
        f.array().batchcount = f.array().limit + 1;
    }
    SECTION("twice in one") {
        f.array().entries[0] = f.array().entries[1];
    }
    SECTION("in two of them") {
        f.cache.node.shared.entries[0] = f.array(1).entries[0];
    }
    SECTION("of another cache") {
        f.array().entries[0] = f.slab.kmalloc(2000, GFP_KERNEL, cpu);
    }
    SECTION("not the begin of an object") {
        f.array().entries[0] = static_cast<std::byte*>(f.array().entries[0]) + 8;
    }
    SECTION("what others are told of the shared array") {
        ++f.cache.node.shared_avail;
    }
    CHECK(f.law() == "S4");
}

TEST_CASE("S5: handed out and not back") {
    Fixture f;
    SECTION("counted") {
        ++f.array().alloc_hits;
    }
    SECTION("lost from an array") {
        --f.array().avail;
    }
    CHECK(f.law() == "S5");
}

TEST_CASE("S6: colours are steps into what is left over") {
    Fixture f;
    SECTION("beyond it") {
        f.change_head(f.cache.node.full.head(), [](SlabHead& h) { h.colour = 128; });
    }
    SECTION("the next one") {
        f.cache.node.colour_next = 1;  // there is one colour, number 0
    }
    CHECK(f.law() == "S6");
}

TEST_CASE("S7: free indexes lie in the free object that goes out last") {
    Fixture f;
    const FrameIndex free = f.cache.node.free.head();
    SECTION("in an object that goes out before") {
        const std::uint8_t other = f.indexes(free)[0];
        std::memcpy(f.first_object(free) + other * f.cache.geometry.size, f.indexes(free), 4);
        f.change_head(free, [&](SlabHead& h) { h.position = other; });
    }
    SECTION("in no object") {
        f.change_head(free, [](SlabHead& h) { h.position = SlabHead::no_position; });
    }
    CHECK(f.law() == "S7");
}

TEST_CASE("S7: free indexes off the slab lie in a live object of their own") {
    Fixture f{construct, 1024};
    REQUIRE(f.cache.geometry.place == IndexPlace::off_slab);
    REQUIRE(f.law() == "");
    const FrameIndex full = f.cache.node.full.head();
    SECTION("two slabs, one array") {
        const FrameIndex next = f.arena.page_at(full).next;
        f.change_head(full, [&](SlabHead& h) { h.position = f.head(next).position; });
    }
    SECTION("in memory that was freed") {
        f.slab.kfree(f.arena.address_at(0) + f.head(full).position * SlabHead::position_unit, cpu);
    }
    CHECK(f.law() == "S7");
}

TEST_CASE("S8: a constructor ran once for each object") {
    Fixture f{construct};
    REQUIRE(f.law() == "");
    --f.cache.constructed;
    CHECK(f.law() == "S8");
}

TEST_CASE("S9: an object's number and its address name each other") {
    Fixture f;
    SECTION("the arithmetic") {
        f.cache.reciprocal -= 1 << 16;
    }
    SECTION("a frame of a slab names another head") {
        Fixture g{nullptr, 2600};
        REQUIRE(g.cache.geometry.order == Order{1});
        g.arena.page_at(g.cache.node.full.head() + 1).head = g.partial();
        CHECK(g.law() == "S9");
        return;
    }
    CHECK(f.law() == "S9");
}

TEST_CASE("S10: entries of arrays are addresses and nothing else") {
    Fixture f;
    f.array().entries[0] = static_cast<std::byte*>(f.array().entries[0]) + 1;
    CHECK(f.law() == "S10");
}

TEST_CASE("S11: slabs belong to caches that exist") {
    Fixture f;
    int other = 0;
    f.arena.page_at(f.cache.node.full.head()).owner = &other;
    CHECK(f.law() == "S11");
}

TEST_CASE("G8: pages taken are pages in slabs and large blocks") {
    Fixture f;
    void* const large = f.slab.kmalloc(20000, GFP_KERNEL, cpu);
    REQUIRE(f.law() == "");
    f.arena.page(f.arena.pfn(large)).store_state({});
    CHECK(f.law() == "G8");
}

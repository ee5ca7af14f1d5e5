// The heap: pages, rings, first fit, joining of free blocks.
#include <catch2/catch.hpp>

#include <cstring>
#include <numeric>

#include "allocators/slob/state.hpp"
#include "tests/slob/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};

struct Heap : SlobMachine {
    void* alloc(std::size_t size, std::size_t align = 0) {
        auto*& cache = caches[{size, align}];
        if (cache == nullptr) cache = slob.kmem_cache_create({.name = "c", .size = size, .align = align});
        return slob.kmem_cache_alloc(*cache, GFP_KERNEL, cpu);
    }
    void free(void* p, std::size_t size, std::size_t align = 0) {
        slob.kmem_cache_free(*caches.at({size, align}), p, cpu);
    }
    /// Free blocks of the page of `p` as "at+length", in bytes.
    std::string blocks(const void* p) const {
        std::string text;
        const HeapPage page{arena.address_at(frame(p)), arena.page_at(frame(p))};
        for (SlobUnits at = page.first(); at != slob_page_units; at = page.block(at).next)
            text += fmt::format("{}+{} ", at * 2, page.block(at).length * 2);
        return text;
    }
    std::map<std::pair<std::size_t, std::size_t>, Slob<OwnedCpus>::Cache*> caches;
};

std::vector<FrameIndex> order_of_ring(const PageRing& ring, const Arena& arena) {
    std::vector<FrameIndex> frames;
    CHECK(ring.walk(arena, [&](FrameIndex frame) { frames.push_back(frame); }));
    return frames;
}

}  // namespace

TEST_CASE("a ring rotates to any page and keeps the order of the circle") {
    const Arena arena{std::size_t{1} << 20};
    PageRing ring;
    for (FrameIndex i = 0; i < 5; ++i) ring.push_tail(arena, i);
    ring.push_head(arena, 9);
    CHECK(order_of_ring(ring, arena) == std::vector<FrameIndex>{9, 0, 1, 2, 3, 4});
    ring.rotate_to(2);
    CHECK(order_of_ring(ring, arena) == std::vector<FrameIndex>{2, 3, 4, 9, 0, 1});
    ring.remove(arena, 2);
    ring.remove(arena, 9);
    CHECK(order_of_ring(ring, arena) == std::vector<FrameIndex>{3, 4, 0, 1});
    for (const FrameIndex i : {1U, 3U, 0U, 4U}) ring.remove(arena, i);
    CHECK(ring.empty());
    CHECK(order_of_ring(ring, arena).empty());
}

TEST_CASE("a block of one unit is encoded as minus the place of the next") {
    Heap h;
    void* const a = h.alloc(2);
    void* const b = h.alloc(6);
    CHECK(h.offset_in_page(b) == 8);
    CHECK(h.blocks(a) == "2+6 14+4082 ");
    void* const c = h.alloc(4, 2);  // alignments below 8 are 8
    CHECK(h.offset_in_page(c) == 16);
    CHECK(h.blocks(a) == "2+6 14+2 20+4076 ");
    std::int16_t word = 0;
    std::memcpy(&word, static_cast<std::byte*>(a) + 14, sizeof word);
    CHECK(word == -10);
    CHECK(h.violation() == "");
}

TEST_CASE("a freed block joins both of its neighbours, and the empty page goes back at once") {
    Heap h;
    std::vector<void*> p(4);
    for (void*& object : p) object = h.alloc(64);
    h.free(p[0], 64);
    CHECK(h.slob.last_path(cpu) == Path::slab);
    CHECK(h.blocks(p[1]) == "0+64 256+3840 ");
    h.free(p[2], 64);
    CHECK(h.blocks(p[1]) == "0+64 128+64 256+3840 ");
    h.free(p[1], 64);
    CHECK(h.blocks(p[3]) == "0+192 256+3840 ");
    CHECK(h.violation() == "");
    h.free(p[3], 64);
    CHECK(h.slob.last_path(cpu) == Path::discard);
    CHECK(h.pages.held_pages() == 0);
    CHECK(h.violation() == "");
}

TEST_CASE("a page that was full comes to the head, others stay where they are") {
    Heap h;
    std::vector<void*> p(12);  // four to a page
    for (void*& object : p) object = h.alloc(1024);
    const PageRing& ring = h.slob.list(SlobList::large);
    CHECK(ring.empty());
    h.free(p[0], 1024);
    CHECK(h.slob.last_path(cpu) == Path::node_partial);
    h.free(p[4], 1024);
    h.free(p[8], 1024);
    CHECK(order_of_ring(ring, h.arena) ==
          std::vector<FrameIndex>{h.frame(p[8]), h.frame(p[4]), h.frame(p[0])});
    h.free(p[1], 1024);
    CHECK(ring.head() == h.frame(p[8]));
    SECTION("whoever serves and is not full then becomes the head by rotation") {
        CHECK(h.alloc(2048) == p[0]);  // the joined block of the last page: full again
        CHECK(order_of_ring(ring, h.arena) == std::vector<FrameIndex>{h.frame(p[8]), h.frame(p[4])});
        h.free(p[5], 1024);
        h.free(p[6], 1024);
        CHECK(h.alloc(2048) == p[4]);
        CHECK(order_of_ring(ring, h.arena) == std::vector<FrameIndex>{h.frame(p[4]), h.frame(p[8])});
    }
    CHECK(h.violation() == "");
}

TEST_CASE("sizes below 256, below 1024 and the rest never share a page") {
    Heap h;
    void* const small = h.alloc(254);
    void* const medium = h.alloc(256);
    void* const medium_too = h.alloc(1022);
    void* const large = h.alloc(1024);
    CHECK(h.frame(small) != h.frame(medium));
    CHECK(h.frame(medium) == h.frame(medium_too));
    CHECK(h.frame(large) != h.frame(medium));
    CHECK(h.violation() == "");
}

TEST_CASE("a state put into a heap is read from it again, and served from") {
    SlobMachine m;
    const std::vector<SlobPageState> state{{SlobList::small, {{4, 1}, {10, 300}}},
                                           {SlobList::small, {{100, 20}}},
                                           {SlobList::large, {{1024, 1024}}}};
    const auto frames = restore(m.slob, state, cpu);
    REQUIRE(frames.size() == 3);
    CHECK(record(m.slob) == state);
    CHECK(m.violation() == "");
    auto& cache = *m.slob.kmem_cache_create({.name = "c", .size = 100});
    void* const p = m.slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    CHECK(m.arena.pfn(p) == frames[0]);
    CHECK(m.offset_in_page(p) == 24);
    m.slob.kmem_cache_free(cache, p, cpu);
    CHECK(record(m.slob) == state);
}

TEST_CASE("a random history keeps every law and gives every page back") {
    Heap h;
    struct Live {
        void* object;
        std::size_t size;
        unsigned char value;
    };
    std::vector<Live> live;
    std::uint64_t x = 0x1234567;
    const auto release = [&](std::size_t k) {
        std::swap(live[k], live.back());
        const auto* const bytes = static_cast<const unsigned char*>(live.back().object);
        CHECK(std::count(bytes, bytes + live.back().size, live.back().value) ==
              static_cast<std::ptrdiff_t>(live.back().size));
        h.free(live.back().object, live.back().size);
        live.pop_back();
    };
    for (int i = 0; i < 20000; ++i) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        if (live.empty() || x % 16 < (i < 12000 ? 9U : 6U)) {
            const std::size_t size = 1 + (x >> 20) % (x >> 8 & 1 ? 100 : 1500);
            live.push_back({h.alloc(size), size, static_cast<unsigned char>(x >> 40)});
            std::memset(live.back().object, live.back().value, size);
        } else {
            release((x >> 8) % live.size());
        }
        if (i % 500 == 0) REQUIRE(h.violation() == "");
    }
    while (!live.empty()) release(live.size() / 2);
    CHECK(h.violation() == "");
    CHECK(h.pages.held_pages() == 0);
    CHECK(h.reports.empty());
}

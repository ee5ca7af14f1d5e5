// Each law broken deep inside, and named by find_violation().
#include <catch2/catch.hpp>

#include <cstring>

#include "allocators/slob/inside.hpp"
#include "tests/slob/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
using Inside = Slob<OwnedCpus>::Inside;

void construct(void* object) {
    std::memset(object, 1, 8);
}

/// Holes of 100 units between objects in the small list's page, a large page, a kmalloc object, blocks.
struct Victim : SlobMachine {
    explicit Victim(bool track = true) : SlobMachine{track} {
        for (int i = 0; i < 12; ++i) objects.push_back(slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
        for (std::size_t i = 1; i < objects.size(); i += 2) slob.kmem_cache_free(cache, objects[i], cpu);
        kmalloced = slob.kmalloc(2000, GFP_KERNEL, cpu);
        compound = slob.kmalloc(9000, GFP_KERNEL, cpu);
        block = slob.kmem_cache_alloc(blocks, GFP_KERNEL, cpu);
        REQUIRE(violation() == "");
    }
    [[nodiscard]] FrameIndex page() const { return frame(objects[0]); }
    void change_word(FrameIndex index, void (*change)(HeapPageWord&)) {
        HeapPageWord word = HeapPageWord::load(arena.page_at(index));
        change(word);
        word.store(arena.page_at(index));
    }
    /// Writes the words of a free block.
    static void write(void* at, std::int16_t first, std::int16_t second) {
        std::memcpy(at, &first, sizeof first);
        std::memcpy(static_cast<std::byte*>(at) + 2, &second, sizeof second);
    }
    LedgerEntry& entry(const void* begin) {
        LedgerEntry* const found = Inside::ledger(slob).find(arena.offset_of(begin));
        REQUIRE(found != nullptr);
        return *found;
    }

    Slob<OwnedCpus>::Cache& cache =
        *slob.kmem_cache_create({.name = "victim", .size = 200, .constructor = construct});
    Slob<OwnedCpus>::Cache& blocks = *slob.kmem_cache_create({.name = "blocks", .size = 5000});
    std::vector<void*> objects;
    void* kmalloced = nullptr;
    void* compound = nullptr;
    void* block = nullptr;
};

}  // namespace

TEST_CASE("O1: a page counts the units that are free in it") {
    const bool track = GENERATE(true, false);
    Victim v{track};
    v.change_word(v.page(), [](HeapPageWord& w) { --w.units; });
    CHECK(v.law() == "O1");
    Victim w{track};
    Victim::write(w.objects[1], 99, 300);  // one unit shorter, still in order
    CHECK(w.law() == "O1");
}

TEST_CASE("O1: free blocks and objects fill the page") {
    Victim v;
    Inside::ledger(v.slob).remove(v.arena.offset_of(v.objects[2]));
    CHECK(v.law() == "O1");
}

TEST_CASE("O2: free blocks ascend, apart from one another, to the page's end") {
    Victim v;
    SECTION("backwards") {
        Victim::write(v.objects[3], 100, 100);
    }
    SECTION("adjacent") {
        Victim::write(v.objects[1], 200, 300);
    }
    SECTION("over the page's end") {
        Victim::write(v.objects[11], 2000, 2048);
    }
    SECTION("the first one outside") {
        v.change_word(v.page(), [](HeapPageWord& w) { w.first = 3000; });
    }
    CHECK(v.law() == "O2");
}

TEST_CASE("O3: a page is on a list if and only if something in it is free, and not everything") {
    Victim v;
    SECTION("taken off") {
        Inside::list(v.slob, SlobList::small).remove(v.arena, v.page());
    }
    SECTION("full and listed") {
        v.change_word(v.page(), [](HeapPageWord& w) { w.units = 0; });
    }
    SECTION("empty and kept") {
        const auto frame = Inside::add_full_page(v.slob, SlobList::small, cpu);
        REQUIRE(frame);
        Inside::page(v.slob, *frame).clear(SlobList::small);
        Inside::list(v.slob, SlobList::small).push_tail(v.arena, *frame);
    }
    CHECK(v.law() == "O3");
}

TEST_CASE("O4: a page is on the list of its class, and so are its objects") {
    Victim v;
    SECTION("page") {
        v.change_word(v.page(), [](HeapPageWord& w) { w.list = SlobList::large; });
    }
    SECTION("object") {
        LedgerEntry& entry = v.entry(v.objects[0]);
        entry.taken = 300;
    }
    CHECK(v.law() == "O4");
}

TEST_CASE("O5: a header holds the size asked") {
    Victim v;
    std::memset(static_cast<std::byte*>(v.kmalloced) - slob_header, 0x11, 4);
    CHECK(v.law() == "O5");
}

TEST_CASE("O6: objects are aligned as asked, kmalloc's behind their headers") {
    Victim v;
    SECTION("of a cache") {
        v.entry(v.objects[2]).align = 1024;
    }
    SECTION("of kmalloc") {
        v.entry(static_cast<std::byte*>(v.kmalloced) - slob_header).align = 2048;
    }
    CHECK(v.law() == "O6");
}

TEST_CASE("O7: what a free block begins with encodes its length and the next") {
    const bool track = GENERATE(true, false);
    Victim v{track};
    SECTION("no length") {
        Victim::write(v.objects[1], 0, 300);
    }
    SECTION("one unit, written as if there were room for two words") {
        Victim::write(v.objects[1], 1, 300);
    }
    SECTION("one unit with a next beyond the page") {
        Victim::write(v.objects[1], -2049, 0);
    }
    SECTION("a next that is no place") {
        Victim::write(v.objects[1], 100, -3);
    }
    CHECK(v.law() == "O7");
}

TEST_CASE("O8: the lists lead to every free unit") {
    Victim v;
    SECTION("a ring cut short") {
        const auto frame = Inside::add_full_page(v.slob, SlobList::small, cpu);
        Inside::list(v.slob, SlobList::small).push_tail(v.arena, *frame);
        v.arena.page_at(v.page()).next = v.page();
        v.arena.page_at(v.page()).prev = v.page();
    }
    SECTION("a link out of the arena") {
        v.arena.page_at(v.page()).next = 1U << 30;
    }
    SECTION("a page that is not of the heap") {
        v.arena.page_at(v.page()).owner = nullptr;
    }
    CHECK(v.law() == "O8");
}

TEST_CASE("O9: a constructor ran as often as an object was given") {
    Victim v;
    --v.cache.works[CpuId{0}].constructions;
    CHECK(v.law() == "O9");
}

TEST_CASE("O10: a block of pages has the order that its size asks for, and kmalloc's are compound") {
    Victim v;
    SECTION("order of a cache's block") {
        PageState state = v.arena.page_at(v.frame(v.block)).load_state();
        state.order = 0;
        v.arena.page_at(v.frame(v.block)).store_state(state);
    }
    SECTION("order of a kmalloc block") {
        PageState state = v.arena.page_at(v.frame(v.compound)).load_state();
        state.order = 1;
        v.arena.page_at(v.frame(v.compound)).store_state(state);
    }
    SECTION("a tail that names no head") {
        v.arena.page_at(v.frame(v.compound) + 1).head = no_frame;
    }
    SECTION("owner") {
        v.arena.page_at(v.frame(v.block)).owner = &v.blocks.geometry;
    }
    CHECK(v.law() == "O10");
}

TEST_CASE("G8: pages taken are pages of the heap and of blocks") {
    Victim v{false};
    v.arena.page_at(v.frame(v.compound)).store_state({});
    CHECK(v.law() == "G8");
}

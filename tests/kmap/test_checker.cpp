// Each law of kmap broken deep inside, and named by find_violation().
#include <catch2/catch.hpp>

#include "tests/kmap/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

struct Broken : HighmemMachine<SoftMmu> {
    using Inside = Kmap<OwnedCpus, SoftMmu>::Inside;

    Broken() {
        for (std::uint64_t i = 0; i < 5; ++i) REQUIRE(kmap.kmap(high(i), cpu0));
        kmap.kunmap(high(2), cpu0);
        REQUIRE(kmap.kmap_local(high(9), cpu1));
        REQUIRE(broken_law() == "");
    }
    auto& slots() { return Inside::slots(kmap); }
};

}  // namespace

TEST_CASE("V5: a slot that is mapped to another page, or not at all") {
    Broken page;
    page.slots()[2].frame = page.high(50);
    CHECK(page.broken_law() == "V5");
    Broken count;
    count.slots()[3].count = 0;  // without users, yet mapped
    CHECK(count.broken_law() == "V5");
    Broken unused;
    unused.slots()[7].count = 1;
    CHECK(unused.broken_law() == "V5");
}

TEST_CASE("V6: a page whose slot is another's") {
    Broken other;
    Broken::Inside::slot_of(other.kmap)[other.high(1).value()] = 4;
    CHECK(other.broken_law() == "V6");
    Broken twice;
    const Pfn frame = twice.high(0);
    const VirtAddr sixth = twice.mmu.window().begin.plus_pages(Broken::low_pages + 6);
    REQUIRE(twice.mmu.map(sixth, {&frame, 1}, cpu0));
    twice.slots()[6] = {frame, 2};
    CHECK(twice.broken_law() == "V6");
}

TEST_CASE("V4: a page that is known to have a slot, which no slot knows") {
    Broken m;
    Broken::Inside::slot_of(m.kmap)[m.high(30).value()] = 7;
    CHECK(m.broken_law() == "V4");
}

TEST_CASE("V5: a level that its task does not have, or has with another page") {
    Broken more;
    Broken::Inside::levels(more.kmap, cpu1).push_back(more.high(9));
    CHECK(more.broken_law() == "V5");
    Broken less;
    Broken::Inside::levels(less.kmap, cpu1).clear();
    CHECK(less.broken_law() == "V5");
    Broken other;
    Broken::Inside::levels(other.kmap, cpu1)[0] = other.high(8);
    CHECK(other.broken_law() == "V5");
}

TEST_CASE("V7: a translation that survives the flush of the slots is found") {
    Broken m;
    const VirtAddr third = m.mmu.window().begin.plus_pages(Broken::low_pages + 3);
    REQUIRE(m.mmu.touch(third, cpu1));
    m.mmu.unmap(third, 1, cpu0);
    m.mmu.flush_local(third, cpu0);  // CPU 1 was not told
    m.slots()[3] = {};
    Broken::Inside::slot_of(m.kmap).erase(m.high(2).value());
    CHECK(m.broken_law() == "V7");
}

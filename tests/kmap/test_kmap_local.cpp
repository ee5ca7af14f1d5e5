// kmap_local and kunmap_local: levels of the task that runs on a CPU, nested like a stack (VM-83).
#include <catch2/catch.hpp>

#include "tests/kmap/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

/// The index of an address of kmap_local, counted down from the window's end.
template <class M>
std::uint64_t index(const HighmemMachine<M>& m, std::optional<VirtAddr> at) {
    return m.mmu.window().end.page() - 1 - at->page();
}

}  // namespace

TEMPLATE_TEST_CASE("each level of each CPU has its own address", "", SoftMmu, HostMmu) {
    HighmemMachine<TestType> m;
    CHECK(index(m, m.kmap.kmap_local(m.high(0), cpu0)) == 0);
    CHECK(index(m, m.kmap.kmap_local(m.high(1), cpu0)) == 1);
    CHECK(index(m, m.kmap.kmap_local(m.high(1), cpu1)) == 16);
    CHECK(m.broken_law() == "");
}

TEMPLATE_TEST_CASE("an address shows the next page after it was unmapped and mapped", "", SoftMmu, HostMmu) {
    HighmemMachine<TestType> m;
    for (std::uint64_t i = 0; i < 4; ++i) {
        const VirtAddr at = *m.kmap.kmap_local(m.high(i), cpu0);
        *m.arena.address(m.high(i)) = static_cast<std::byte>('a' + i);
        std::byte seen{};
        REQUIRE(m.mmu.read(at, {&seen, 1}, cpu0));
        CHECK(seen == static_cast<std::byte>('a' + i));
        m.kmap.kunmap_local(at, cpu0);
        CHECK_FALSE(m.mmu.touch(at, cpu0));
    }
    CHECK(m.broken_law() == "");
}

TEST_CASE("unmapping a level interrupts no other CPU") {
    HighmemMachine<SoftMmu> m;
    const VirtAddr at = *m.kmap.kmap_local(m.high(0), cpu0);
    REQUIRE(m.mmu.touch(at, cpu0));
    m.kmap.kunmap_local(at, cpu0);
    CHECK(m.mmu.stats().ipis == 0);
    CHECK(m.broken_law() == "");
}

TEST_CASE("levels are undone in reverse order only: another order is reported") {
    HighmemMachine<SoftMmu> m;
    const VirtAddr first = *m.kmap.kmap_local(m.high(0), cpu0);
    const VirtAddr second = *m.kmap.kmap_local(m.high(1), cpu0);
    m.kmap.kunmap_local(first, cpu0);
    REQUIRE(m.misuses.size() == 1);
    CHECK(m.misuses[0].kind == MisuseKind::bad_request);
    CHECK_THAT(m.last_report(), Catch::Contains("is not what cpu 0 mapped last, 0xffffd000"));
    CHECK(m.mmu.frame_of(first) == m.high(0));
    m.kmap.kunmap_local(second, cpu1);
    CHECK_THAT(m.last_report(), Catch::Contains("cpu 1 has mapped nothing"));
    m.kmap.kunmap_local(second + 100, cpu0);  // any address in the page will do
    m.kmap.kunmap_local(first, cpu0);
    CHECK(m.misuses.size() == 2);
    CHECK(m.broken_law() == "");
}

TEST_CASE("a level too many is reported and not mapped") {
    for (const bool debug : {false, true}) {
        HighmemMachine<SoftMmu> m{debug};
        for (unsigned i = 0; i < (debug ? 16 : 15); ++i) REQUIRE(m.kmap.kmap_local(m.high(i), cpu1));
        CHECK_FALSE(m.kmap.kmap_local(m.high(20), cpu1));
        CHECK_THAT(m.last_report(), Catch::Contains("levels on cpu 1, no more"));
        CHECK(m.broken_law() == "");
    }
}

TEST_CASE("with debugging a page without mapping lies below each level") {
    HighmemMachine<SoftMmu> m{true};
    const VirtAddr first = *m.kmap.kmap_local(m.high(0), cpu0);
    const VirtAddr second = *m.kmap.kmap_local(m.high(1), cpu0);
    CHECK(index(m, first) == 1);
    CHECK(index(m, second) == 3);
    CHECK(index(m, m.kmap.kmap_local(m.high(2), cpu1)) == 33 + 1);
    CHECK_FALSE(m.mmu.touch(second.plus_pages(1), cpu0));
}

TEST_CASE("a task's levels go when it stops running and come back at the same addresses") {
    HighmemMachine<SoftMmu> m;
    const VirtAddr first = *m.kmap.kmap_local(m.high(0), cpu0);
    const VirtAddr second = *m.kmap.kmap_local(m.high(1), cpu0);
    const KmapTask stopped = m.kmap.switch_out(cpu0);
    CHECK_FALSE(m.mmu.touch(first, cpu0));
    CHECK(m.kmap.kmap_local(m.high(7), cpu0) == first);  // of the task that runs meanwhile
    m.kmap.kunmap_local(first, cpu0);
    m.kmap.switch_in(stopped, cpu0);
    CHECK(m.mmu.translate(first, cpu0) == m.high(0));
    CHECK(m.mmu.translate(second, cpu0) == m.high(1));
    m.kmap.kunmap_local(second, cpu0);
    CHECK(m.misuses.empty());
    CHECK(m.broken_law() == "");
}

TEST_CASE("a task with levels that runs on another CPU is reported") {
    HighmemMachine<SoftMmu> m;
    REQUIRE(m.kmap.kmap_local(m.high(0), cpu0));
    m.kmap.switch_in(m.kmap.switch_out(cpu0), cpu1);
    CHECK_THAT(m.last_report(), Catch::Contains("mappings on cpu 0 cannot run on cpu 1"));
    m.kmap.switch_in(m.kmap.switch_out(cpu1), cpu0);  // without any it may
    CHECK(m.misuses.size() == 1);
    CHECK(m.broken_law() == "");
}

// kmap and kunmap: slots for pages of high memory, shared by all CPUs (VM-80..82).
#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <map>

#include "tests/kmap/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

TEMPLATE_TEST_CASE("low memory has its fixed address and takes no slot", "", SoftMmu, HostMmu) {
    HighmemMachine<TestType> m;
    const Pfn frame = m.arena.start() + 5;
    CHECK(m.kmap.kmap(frame, cpu0) == m.mmu.window().begin.plus_pages(5));
    CHECK(m.mmu.frame_of(m.mmu.window().begin.plus_pages(5)) == frame);
    m.kmap.kunmap(frame, cpu0);
    CHECK(m.kmap.kmap_local(frame, cpu0) == m.mmu.window().begin.plus_pages(5));
    m.kmap.kunmap_local(m.mmu.window().begin.plus_pages(5), cpu0);
    CHECK(m.kmap.stats().maps == 0);
    CHECK(m.misuses.empty());
    CHECK(m.broken_law() == "");
}

TEST_CASE("with 896 MiB of low memory high memory begins at the 32-bit kernel's 0xf8000000") {
    Arena arena{std::size_t{1} << 30};
    SoftMmu mmu{arena, {.window = window_of_32_bit}};
    OwnedCpus cpus;
    MisuseLog log;
    Kmap<OwnedCpus, SoftMmu> kmap{arena, mmu, cpus, {}, log};
    CHECK(kmap.kmap(Pfn{229375}, cpu0) == VirtAddr{0xf7fff000});
    CHECK(kmap.kmap(Pfn{229376}, cpu0) == VirtAddr{0xf8001000});  // slot 1 is the first used
    CHECK(kmap.kmap_local(Pfn{229377}, cpu0) == VirtAddr{0xffffe000});
}

TEMPLATE_TEST_CASE("a page of high memory appears in a slot, the first being 1", "", SoftMmu, HostMmu) {
    HighmemMachine<TestType> m;
    for (std::uint64_t i = 0; i < 3; ++i) {
        const auto at = m.kmap.kmap(m.high(i), cpu0);
        REQUIRE(m.slot(at) == i + 1);
        REQUIRE(m.mmu.write(*at, std::as_bytes(std::span{"mapped"}), cpu0));
        CHECK(std::memcmp(m.arena.address(m.high(i)), "mapped", 6) == 0);
    }
    CHECK(m.broken_law() == "");
}

TEST_CASE("a page has one slot, however often it is mapped, and keeps it without users") {
    HighmemMachine<SoftMmu> m;
    const auto at = m.kmap.kmap(m.high(0), cpu0);
    CHECK(m.kmap.kmap(m.high(0), cpu1) == at);
    m.kmap.kunmap(m.high(0), cpu0);
    m.kmap.kunmap(m.high(0), cpu0);
    CHECK(m.mmu.touch(*at, cpu0));
    CHECK(m.kmap.kmap(m.high(0), cpu0) == at);
    CHECK(m.kmap.stats().reused == 2);
    CHECK(m.mmu.stats().flushes == 0);
}

TEST_CASE("when the search comes round, one flush frees all slots without users") {
    HighmemMachine<SoftMmu> m;
    std::array<std::optional<VirtAddr>, 8> at;
    for (std::uint64_t i = 1; i < 8; ++i) at[i] = m.kmap.kmap(m.high(i), cpu0);
    for (const std::uint64_t i : {2U, 5U}) {
        REQUIRE(m.mmu.touch(*at[i], cpu1));
        m.kmap.kunmap(m.high(i), cpu0);
    }
    CHECK(m.slot(m.kmap.kmap(m.high(10), cpu0)) == 0);
    CHECK(m.kmap.stats().flushes == 1);
    CHECK_FALSE(m.mmu.touch(*at[2], cpu1));
    CHECK(m.slot(m.kmap.kmap(m.high(11), cpu0)) == 2);
    CHECK(m.slot(m.kmap.kmap(m.high(2), cpu0)) == 5);
    CHECK(m.kmap.kmap(m.high(3), cpu0) == at[3]);
    CHECK(m.broken_law() == "");
}

TEST_CASE("with all slots in use the caller gets nothing until somebody unmaps") {
    HighmemMachine<SoftMmu> m;
    for (std::uint64_t i = 0; i < 8; ++i) REQUIRE(m.kmap.kmap(m.high(i), cpu0));
    CHECK_FALSE(m.kmap.kmap(m.high(8), cpu0));
    CHECK(m.kmap.kmap(m.high(3), cpu0));  // what has a slot needs no other
    CHECK(m.kmap.stats().sleeps == 1);
    m.kmap.kunmap(m.high(6), cpu0);
    CHECK(m.kmap.kmap(m.high(8), cpu0));
    CHECK(m.broken_law() == "");
}

TEST_CASE("pages mapped one after the other flush once for each round of the slots") {
    HighmemMachine<SoftMmu> m;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        REQUIRE(m.slot(m.kmap.kmap(m.high(i), cpu0)) == (i + 1) % 8);
        m.kmap.kunmap(m.high(i), cpu0);
    }
    CHECK(m.kmap.stats().flushes == 125);
    CHECK(m.mmu.stats().ipis == 125);
}

TEST_CASE("unmapping what is not mapped is reported and changes nothing") {
    HighmemMachine<SoftMmu> m;
    m.kmap.kunmap(m.high(0), cpu0);
    CHECK_THAT(m.last_report(), Catch::Contains("kunmap: frame 64 has no slot"));
    REQUIRE(m.kmap.kmap(m.high(0), cpu0));
    m.kmap.kunmap(m.high(0), cpu0);
    m.kmap.kunmap(m.high(0), cpu0);
    CHECK_THAT(m.last_report(), Catch::Contains("kunmap: frame 64 is used by nobody"));
    CHECK(m.misuses.size() == 2);
    CHECK(m.broken_law() == "");
}

TEST_CASE("a layout that does not fit is refused") {
    Arena arena{std::size_t{16} << 20};
    SoftMmu mmu{arena,
                {.window = AddressRange{VirtAddr{0xc0000000}, VirtAddr{0xc0000000 + 100 * page_size}}}};
    OwnedCpus cpus;
    MisuseLog log;
    using Kmap32 = Kmap<OwnedCpus, SoftMmu>;
    CHECK_THROWS_WITH((Kmap32{arena, mmu, cpus, {.low_pages = 64, .slots = 32}, log}),
                      Catch::Contains("112 pages do not fit into a window of 100"));
    CHECK_THROWS_WITH((Kmap32{arena, mmu, cpus, {.low_pages = 64, .slots = 12}, log}),
                      Catch::Contains("no power of two"));
}

TEST_CASE("random use of slots and levels breaks no law, and each address shows its page") {
    HighmemMachine<SoftMmu> m;
    std::map<std::uint64_t, unsigned> users;
    std::array<std::vector<VirtAddr>, 2> levels;
    std::uint64_t x = 42;
    const auto draw = [&](std::uint64_t below) { return (x ^= x << 13, x ^= x >> 7, x ^= x << 17) % below; };
    for (int i = 0; i < 20'000; ++i) {
        const CpuId cpu{static_cast<unsigned>(draw(2))};
        const Pfn frame = m.high(draw(12));
        std::vector<VirtAddr>& local = levels[cpu.value()];
        if (const std::uint64_t what = draw(4); what == 0) {
            const auto at = m.kmap.kmap(frame, cpu);
            if (!at) continue;
            ++users[frame.value()];
            REQUIRE(m.mmu.translate(*at, cpu) == frame);
        } else if (what == 1 && users[frame.value()] > 0) {
            --users[frame.value()];
            m.kmap.kunmap(frame, cpu);
        } else if (what == 2 && local.size() < m.kmap.max_levels()) {
            local.push_back(*m.kmap.kmap_local(frame, cpu));
            REQUIRE(m.mmu.translate(local.back(), cpu) == frame);
        } else if (what == 3 && !local.empty()) {
            m.kmap.kunmap_local(local.back(), cpu);
            local.pop_back();
        }
        if (i % 100 == 0) REQUIRE(m.broken_law() == "");
    }
    CHECK(m.misuses.empty());
    CHECK(m.kmap.stats().flushes > 10);
    CHECK(m.kmap.stats().sleeps > 0);
}

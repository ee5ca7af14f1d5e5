// What only SoftMmu has: exact counts of hits, walks, flushes and interrupts, and stale translations.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "allocators/mmu/soft_mmu.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using test::BumpPages;

namespace {

constexpr CpuId cpu0{0};
constexpr CpuId cpu1{1};

/// Two entries of 4 KiB and one of 2 MiB; behind them four of 4 KiB; one pointer of each level.
constexpr std::string_view tiny =
    "name=tiny\n"
    "l1=4K 2/2 lru\n"
    "l1=2M 1/1 lru\n"
    "l2=4K,2M 4/4 lru\n"
    "walk=pde 1/1 lru\n"
    "walk=pdpte 1/1 lru\n"
    "walk=pml4e 1/1 lru\n";

struct Machine {
    explicit Machine(std::string_view tlb = tiny, unsigned cpus = 2, unsigned levels = 4)
        : mmu{arena, {.cpus = cpus, .levels = levels, .tlb = parse_tlb(tlb, "test")}} {}

    void map(std::uint64_t page, std::uint64_t count = 1) {
        std::vector<Pfn> frames;
        for (std::uint64_t i = 0; i < count; ++i) frames.push_back(Pfn{(page + i) % arena.frames()});
        REQUIRE(mmu.map(base.plus_pages(page), frames, cpu0));
    }
    void touch(std::uint64_t page, CpuId cpu = cpu0) { REQUIRE(mmu.touch(base.plus_pages(page), cpu)); }
    void unmap(std::uint64_t page, std::uint64_t count = 1) { mmu.unmap(base.plus_pages(page), count, cpu0); }
    void flush(std::uint64_t page, std::uint64_t count = 1) {
        mmu.flush(base.plus_pages(page), base.plus_pages(page + count), cpu0);
    }
    /// What happened on a CPU since the last question: l1 hits, l2 hits, walks, walk steps.
    std::string news(CpuId cpu = cpu0) {
        const TlbCounts now = mmu.tlb_counts(cpu);
        TlbCounts& before = seen[cpu.value()];
        const std::string text = fmt::format("l1 {} l2 {} walks {} steps {}", now.l1_hits - before.l1_hits,
                                             now.l2_hits - before.l2_hits, now.walks - before.walks,
                                             now.walk_steps - before.walk_steps);
        before = now;
        return text;
    }
    [[nodiscard]] std::string broken_law() const {
        const auto violation = mmu.find_violation();
        return violation ? violation->message() : "";
    }

    Arena arena{std::size_t{16} << 20};
    SoftMmu mmu;
    VirtAddr base = mmu.window().begin;
    std::vector<TlbCounts> seen{256};
};

}  // namespace

TEST_CASE("the first use walks all levels, the second hits") {
    Machine four;
    four.map(0);
    four.touch(0);
    CHECK(four.news() == "l1 0 l2 0 walks 1 steps 4");
    four.touch(0);
    CHECK(four.news() == "l1 1 l2 0 walks 0 steps 0");
    Machine five{tiny, 1, 5};
    five.map(0);
    five.touch(0);
    CHECK(five.news() == "l1 0 l2 0 walks 1 steps 5");
}

TEST_CASE("cached pointers shorten the walk by what is shared") {
    Machine m;
    m.map(0, 2);
    m.map(512);
    m.map(order_1g.pages());
    m.touch(0);
    static_cast<void>(m.news());
    m.touch(1);  // same table of 4 KiB leaves
    CHECK(m.news() == "l1 0 l2 0 walks 1 steps 1");
    m.touch(512);  // the next one
    CHECK(m.news() == "l1 0 l2 0 walks 1 steps 2");
    m.touch(order_1g.pages());  // under another entry of level 3
    CHECK(m.news() == "l1 0 l2 0 walks 1 steps 3");
}

TEST_CASE("what l1 gave up is found in l2") {
    Machine m;
    m.map(0, 6);
    for (const std::uint64_t page : {0U, 1U, 2U, 3U}) m.touch(page);
    CHECK(m.news() == "l1 0 l2 0 walks 4 steps 7");
    m.touch(3);
    m.touch(2);
    CHECK(m.news() == "l1 2 l2 0 walks 0 steps 0");
    m.touch(0);
    CHECK(m.news() == "l1 0 l2 1 walks 0 steps 0");
    m.touch(0);
    CHECK(m.news() == "l1 1 l2 0 walks 0 steps 0");
    m.touch(4);  // l2 gives up page 1
    m.touch(1);
    CHECK(m.news() == "l1 0 l2 0 walks 2 steps 2");
}

TEST_CASE("a leaf of 2 MiB takes one entry and a shorter walk") {
    Machine m;
    REQUIRE(m.mmu.map_huge(m.base, Pfn{512}, order_2m, cpu0));
    m.touch(0);
    CHECK(m.news() == "l1 0 l2 0 walks 1 steps 3");
    for (std::uint64_t page = 1; page < 512; ++page) m.touch(page);
    CHECK(m.news() == "l1 511 l2 0 walks 0 steps 0");
}

TEST_CASE("a leaf of 1 GiB is cached in pieces where no entry of its size exists") {
    Arena arena{std::size_t{1} << 31};
    SoftMmu mmu{arena, {.tlb = parse_tlb(tiny, "test")}};
    const VirtAddr base = mmu.window().begin;
    REQUIRE(mmu.map_huge(base, Pfn{order_1g.pages()}, order_1g, cpu0));
    CHECK(mmu.translate(base.plus_pages(513) + 9, cpu0) == Pfn{order_1g.pages() + 513});
    CHECK(mmu.translate(base.plus_pages(1023), cpu0) == Pfn{order_1g.pages() + 1023});
    CHECK(mmu.tlb_counts(cpu0).l1_hits == 1);
    CHECK(mmu.translate(base.plus_pages(1024), cpu0) == Pfn{order_1g.pages() + 1024});
    CHECK(mmu.tlb_counts(cpu0).walks == 2);
    CHECK(mmu.tlb_counts(cpu0).walk_steps == 2 + 1);
    CHECK_FALSE(mmu.find_violation());
}

TEST_CASE("pointers that l2 holds take their share of it") {
    Machine m{"name=x\nl1=4K 1/1 lru\nl2=4K,pde 2/2 lru\n"};
    m.map(0, 2);
    m.touch(0);
    m.touch(1);
    CHECK(m.news() == "l1 0 l2 0 walks 2 steps 5");
    m.touch(0);  // The pointer, used for page 1, has outlived page 0 in l2.
    CHECK(m.news() == "l1 0 l2 0 walks 1 steps 1");
}

TEST_CASE("an address without a leaf faults each time and is not cached") {
    Machine m;
    m.map(0);
    CHECK_FALSE(m.mmu.touch(m.base.plus_pages(1), cpu0));
    CHECK_FALSE(m.mmu.touch(m.base.plus_pages(1), cpu0));
    CHECK(m.mmu.tlb_counts(cpu0).faults == 2);
    CHECK(m.news() == "l1 0 l2 0 walks 2 steps 5");
    m.map(1);
    m.touch(1);
    CHECK(m.broken_law() == "");
}

TEST_CASE("an address that differs only in bits that the table does not translate leads nowhere") {
    for (const unsigned levels : {4U, 5U}) {
        Machine m{tiny, 1, levels};
        m.map(0, 2);
        const VirtAddr alias{m.base.value() & (~std::uint64_t{0} >> (levels == 4 ? 16 : 7))};
        CHECK_FALSE(m.mmu.frame_of(alias));
        CHECK_FALSE(m.mmu.touch(alias, cpu0));
        m.mmu.unmap(alias, 1, cpu0);
        CHECK(m.mmu.stats().mapped_pages == 2);
        m.touch(0);
        m.unmap(0, 2);
        m.flush(0, 2);
        CHECK_FALSE(m.mmu.touch(alias, cpu0));
        CHECK(m.broken_law() == "");
    }
}

TEST_CASE("unmapping beyond the ends of the window unmaps what is in it") {
    Machine m;
    m.map(0, 2);
    m.mmu.unmap(VirtAddr{m.base.value() - 3 * page_size}, 4, cpu0);
    CHECK_FALSE(m.mmu.frame_of(m.base));
    CHECK(m.mmu.frame_of(m.base.plus_pages(1)));
    m.mmu.unmap(VirtAddr{m.mmu.window().end.value() - page_size}, 3, cpu0);
    CHECK(m.broken_law() == "");
}

TEST_CASE("a flush of 33 pages goes page by page, of 34 it takes everything") {
    for (const std::uint64_t pages : {33U, 34U}) {
        Machine m{"name=x\nl1=4K 64/64 lru\n", 1};
        m.map(0, 64);
        m.touch(0);
        m.touch(50);
        m.unmap(0, pages);
        m.flush(0, pages);
        CHECK(m.mmu.stats().full_flushes == (pages > 33 ? 1 : 0));
        CHECK(m.mmu.tlb_counts().flushed_pages == (pages > 33 ? 0 : 33));
        static_cast<void>(m.news());
        m.touch(50);
        CHECK(m.news() == (pages > 33 ? "l1 0 l2 0 walks 1 steps 4" : "l1 1 l2 0 walks 0 steps 0"));
        CHECK_FALSE(m.mmu.touch(m.base, cpu0));
    }
}

TEST_CASE("a flush of one page drops all cached pointers") {
    Machine m;
    m.map(0, 2);
    m.touch(0);
    m.flush(7);
    static_cast<void>(m.news());
    m.touch(1);
    CHECK(m.news() == "l1 0 l2 0 walks 1 steps 4");
    m.touch(0);
    CHECK(m.news() == "l1 1 l2 0 walks 0 steps 0");
}

TEST_CASE("each CPU has a TLB of its own, and a flush interrupts those that are in the address space") {
    Machine m{tiny, 8};
    m.map(0);
    for (unsigned cpu = 0; cpu < 8; ++cpu) m.touch(0, CpuId{cpu});
    CHECK(m.mmu.tlb_counts().walks == 8);
    m.mmu.leave(CpuId{5});
    m.unmap(0);
    m.flush(0);
    CHECK(m.mmu.stats().ipis == 6);
    m.mmu.enter(CpuId{5});
    for (unsigned cpu = 0; cpu < 8; ++cpu) CHECK_FALSE(m.mmu.touch(m.base, CpuId{cpu}));
    CHECK(m.mmu.tlb_counts().stale_uses == 0);
    m.flush(0);
    CHECK(m.mmu.stats().ipis == 6 + 7);
    CHECK(m.mmu.stats().flushes == 2);
}

TEST_CASE("a CPU that comes back without a flush meanwhile still knows what it knew") {
    Machine m;
    m.map(0);
    m.touch(0, cpu1);
    m.mmu.leave(cpu1);
    m.mmu.enter(cpu1);
    static_cast<void>(m.news(cpu1));
    m.touch(0, cpu1);
    CHECK(m.news(cpu1) == "l1 1 l2 0 walks 0 steps 0");
}

TEST_CASE("a CPU that was away while others flushed one page has lost everything") {
    Machine m;
    m.map(0, 2);
    m.touch(0, cpu1);
    m.mmu.leave(cpu1);
    m.flush(1);
    m.mmu.enter(cpu1);
    static_cast<void>(m.news(cpu1));
    m.touch(0, cpu1);
    CHECK(m.news(cpu1) == "l1 0 l2 0 walks 1 steps 4");
}

TEST_CASE("the use of a stale translation is counted, and breaks a law only where nothing is lazy") {
    Machine m;
    m.map(0, 2);
    m.touch(0, cpu1);
    m.unmap(0);
    m.touch(0, cpu1);
    CHECK(m.mmu.tlb_counts(cpu1).stale_uses == 1);
    CHECK(m.broken_law() == "");
    CHECK_FALSE(m.mmu.broken_use());
    // Mapped anew without a flush: the address is in use, and CPU 1 reads what it should not.
    REQUIRE(m.mmu.map(m.base, std::vector{Pfn{77}}, cpu0));
    CHECK(m.broken_law() == fmt::format("V7: cpu 1 holds a stale translation at {:#x}", m.base.value()));
    CHECK(m.mmu.translate(m.base, cpu1) == Pfn{0});
    CHECK(m.mmu.translate(m.base, cpu0) == Pfn{77});
    REQUIRE(m.mmu.broken_use());
    CHECK(m.mmu.broken_use()->cpu == cpu1);
    CHECK(m.mmu.broken_use()->at == m.base);
    CHECK(m.mmu.broken_use()->used == Pfn{0});
    // A flush heals the TLB, but not what was done.
    m.flush(0);
    CHECK(m.mmu.translate(m.base, cpu1) == Pfn{77});
    CHECK(m.broken_law() ==
          fmt::format("V7: cpu 1 used a stale translation at {:#x}: frame 0x0", m.base.value()));
}

TEST_CASE("a huge leaf takes the place of an empty table, after a flush") {
    Machine m;
    m.map(0, 20);
    m.touch(3, cpu1);
    m.unmap(0, 20);
    CHECK(m.mmu.stats().table_pages == 4);
    REQUIRE(m.mmu.map_huge(m.base, Pfn{512}, order_2m, cpu0));
    CHECK(m.mmu.stats().table_pages == 3);
    CHECK(m.mmu.stats().full_flushes == 1);
    CHECK(m.mmu.stats().ipis == 1);
    CHECK(m.mmu.translate(m.base.plus_pages(3), cpu1) == Pfn{515});
    CHECK(m.mmu.tlb_counts().stale_uses == 0);
    CHECK(m.broken_law() == "");
}

TEST_CASE("a map without pages for tables fails and leaves nothing") {
    Arena arena{std::size_t{16} << 20};
    BumpPages pages{arena};
    SoftMmu mmu{arena, {}, pages};
    CHECK(mmu.stats().table_pages == pages.held_pages());
    pages.fail_after(2);
    const VirtAddr base = mmu.window().begin;
    CHECK_FALSE(mmu.map(base, std::vector{Pfn{9}}, cpu0));
    CHECK_FALSE(mmu.map_huge(base + order_1g.bytes(), Pfn{0}, order_2m, cpu0));
    CHECK(mmu.stats().refused_for_tables == 2);
    pages.fail_after(0);
    CHECK_FALSE(mmu.map_huge(base + 600 * order_1g.bytes(), Pfn{0}, order_2m, cpu0));
    CHECK(mmu.stats().refused_for_tables == 3);
    CHECK(mmu.stats().mapped_pages == 0);
    CHECK_FALSE(mmu.frame_of(base));
    CHECK(mmu.stats().table_pages == pages.held_pages());
    pages.fail_never();
    CHECK(mmu.map(base, std::vector{Pfn{9}}, cpu0));
    CHECK_FALSE(mmu.find_violation());
}

TEST_CASE("the window of five levels lies where Linux has it, and one that cannot be translated is refused") {
    Arena arena{page_size};
    SoftMmu mmu{arena, {.levels = 5}};
    CHECK(mmu.window().begin == VirtAddr{0xffa0000000000000});
    CHECK(mmu.window().pages() << page_shift == std::uint64_t{12800} << 40);
    const auto refuse = [&](unsigned levels, AddressRange window) {
        CHECK_THROWS_AS((SoftMmu{arena, {.levels = levels, .window = window}}), UsageError);
    };
    refuse(4, vmalloc_window(5));
    refuse(4, {VirtAddr{0x1000}, VirtAddr{0x1000}});
    refuse(4, {VirtAddr{0x1001}, VirtAddr{0x3000}});
    refuse(4, {VirtAddr{0x7ffffffff000}, VirtAddr{0x800000001000}});
    SoftMmu user{arena, {.window = AddressRange{VirtAddr{0x1000}, VirtAddr{0x800000000000}}}};
    CHECK(user.map(VirtAddr{0x7ffffffff000}, std::vector{Pfn{0}}, cpu0));
    CHECK_FALSE(user.find_violation());
}

TEST_CASE("counts are the same in every run") {
    const auto run = [] {
        Machine m{"name=x\nl1=4K 16/4 lru\nl2=4K,pde 64/8 plru\nwalk=pdpte,pml4e 4/4 lru\n"};
        m.map(0, 2000);
        std::uint64_t seed = 5;
        for (int i = 0; i < 100000; ++i) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            m.touch((seed >> 40) % 2000, CpuId{static_cast<unsigned>(seed >> 33) % 2});
            if (i % 5000 == 0) m.flush(0, 1 + (seed >> 50) % 60);
        }
        CHECK(m.broken_law() == "");
        return m.mmu.tlb_counts();
    };
    const TlbCounts first = run();
    CHECK(first.translations() == 100000);
    CHECK(first.l2_hits > 1000);
    CHECK(first == run());
}

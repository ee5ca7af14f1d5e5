// The address space of vmalloc: who gets which address, what waits, what a purge does.
#include <catch2/catch.hpp>

#include <vector>

#include "allocators/vmalloc/inside.hpp"

using namespace kmemlab;

namespace {

constexpr std::uint64_t page = page_size;
constexpr AddressRange window{VirtAddr{0xffffc90000000000}, VirtAddr{0xffffe8ffffffffff}};
constexpr CpuId cpu{0};

struct Flushed {
    std::uint64_t begin;
    std::uint64_t end;
    friend bool operator==(const Flushed&, const Flushed&) = default;
};

struct Fixture {
    using Space = VmapSpace<OwnedCpus>;

    explicit Fixture(std::uint64_t lazy_max = 100) : space{cpus, lazy_max, note_flush()} {}

    std::vector<Flushed> flushes;
    OwnedCpus cpus{1};
    Space space;

    Space::Flush note_flush() {
        return [this](std::uint64_t begin, std::uint64_t end, CpuId) {
            flushes.push_back({begin - window.begin.value(), end - window.begin.value()});
        };
    }
    VmapArea* alloc(std::uint64_t pages, std::uint64_t align = page) {
        return space.alloc(pages * page, align, window, cpu);
    }
    std::uint64_t offset(std::uint64_t pages, std::uint64_t align = page) {
        return (alloc(pages, align)->start - window.begin.value()) / page;
    }
    std::string violation() const {
        const auto found = space.find_violation();
        return found ? found->message() : "";
    }
};

std::uint64_t step(std::uint64_t& x) {
    return x ^= x << 13, x ^= x >> 7, x ^= x << 17;
}

}  // namespace

TEST_CASE("lazy_max_pages grows with the bits of the number of CPUs") {
    CHECK(lazy_max_pages(1) == 8192);
    CHECK(lazy_max_pages(2) == 16384);
    CHECK(lazy_max_pages(4) == 24576);
    CHECK(lazy_max_pages(8) == 32768);
    CHECK(lazy_max_pages(255) == 8 * 8192);
}

TEST_CASE("addresses rise from the window's start, and what was freed is not given before a purge") {
    Fixture f;
    CHECK(f.offset(12) == 0);
    VmapArea* const second = f.alloc(10);
    CHECK(f.offset(3) == 22);
    CHECK_FALSE(f.space.free_lazily(second, cpu));
    CHECK(f.space.lazy_pages() == 10);
    CHECK(f.offset(10) == 25);
    f.space.purge(cpu);
    CHECK(f.flushes == std::vector<Flushed>{{12 * page, 22 * page}});
    CHECK(f.space.lazy_pages() == 0);
    CHECK(f.offset(4) == 12);
    CHECK(f.violation() == "");
}

TEST_CASE("a purge is due once more pages wait than allowed, and flushes once for all of them") {
    Fixture f{100};
    std::vector<VmapArea*> areas;
    for (int i = 0; i < 4; ++i) areas.push_back(f.alloc(40));
    CHECK_FALSE(f.space.free_lazily(areas[2], cpu));
    CHECK_FALSE(f.space.free_lazily(areas[0], cpu));
    CHECK(f.space.lazy().count() == 2);
    CHECK(f.space.free_lazily(areas[1], cpu));
    CHECK(f.space.lazy().count() == 1);
    f.space.purge(cpu);
    CHECK(f.flushes == std::vector<Flushed>{{0, 120 * page}});
    CHECK(f.space.purges() == 1);
    f.space.purge(cpu);
    CHECK(f.flushes.size() == 1);
    CHECK(f.violation() == "");
}

TEST_CASE("a purge flushes at least what its caller asks for") {
    Fixture f;
    f.space.purge(cpu, window.begin.value() + 5 * page, window.begin.value() + 7 * page);
    CHECK(f.flushes == std::vector<Flushed>{{5 * page, 7 * page}});
    CHECK(f.space.purges() == 0);
}

TEST_CASE("a search that fails purges and searches again") {
    Fixture f{1000};
    const AddressRange small{window.begin, window.begin + 20 * page};
    VmapArea* const all = f.space.alloc(20 * page, page, small, cpu);
    CHECK(f.space.alloc(page, page, small, cpu) == nullptr);
    CHECK(f.flushes.empty());
    CHECK_FALSE(f.space.free_lazily(all, cpu));
    CHECK(f.space.alloc(page, page, small, cpu)->start == window.begin.value());
    CHECK(f.flushes.size() == 1);
    CHECK(f.space.alloc(20 * page, page, small, cpu) == nullptr);
    CHECK(f.violation() == "");
}

TEST_CASE("an area that was never mapped is free at once") {
    Fixture f;
    VmapArea* const area = f.alloc(7);
    f.space.free_at_once(area, cpu);
    CHECK(f.space.lazy_pages() == 0);
    CHECK(f.offset(7) == 0);
    CHECK(f.flushes.empty());
}

TEST_CASE("stacks lie 32 KiB apart as 20 KiB aligned to 16 leave holes that none of them fits") {
    Fixture f;
    f.alloc(1);
    for (std::uint64_t i = 0; i < 5; ++i) CHECK(f.offset(5, 4 * page) == 4 + 8 * i);
    CHECK(f.offset(3) == 1);
    CHECK(f.offset(3) == 9);
}

TEST_CASE("a busy area is found by any address in it") {
    Fixture f;
    VmapArea* const area = f.alloc(4);
    CHECK(f.space.find_busy(area->start + 3 * page + 17, cpu) == area);
    CHECK(f.space.find_busy(area->end, cpu) == nullptr);
}

TEST_CASE("random areas break no law, and all of them come back as one") {
    Fixture f{3000};
    std::vector<VmapArea*> live;
    std::uint64_t x = 42;
    for (int i = 0; i < 20000; ++i) {
        if (live.empty() || step(x) % 100 < 52) {
            live.push_back(f.alloc(1 + step(x) % 30, page << (step(x) % 3 == 0 ? step(x) % 6 : 0)));
        } else {
            std::swap(live[step(x) % live.size()], live.back());
            if (f.space.free_lazily(live.back(), cpu)) f.space.purge(cpu);
            live.pop_back();
        }
        if (i % 100 == 0) REQUIRE(f.violation() == "");
    }
    for (VmapArea* area : live) (void)f.space.free_lazily(area, cpu);
    CHECK(f.violation() == "");
    f.space.purge(cpu);
    CHECK(f.violation() == "");
    CHECK(f.space.free().count() == 1);
    CHECK(f.space.busy().empty());
}

TEST_CASE("each law of the address space is named when it is broken") {
    using Inside = VmapSpace<OwnedCpus>::Inside;
    Fixture f;
    std::vector<VmapArea*> areas;
    for (int i = 0; i < 20; ++i) areas.push_back(f.alloc(4));
    for (int i = 1; i < 20; i += 2) (void)f.space.free_lazily(areas[static_cast<std::size_t>(i)], cpu);
    f.space.free_at_once(areas[4], cpu);
    REQUIRE(f.violation() == "");
    const auto law = [&] {
        const auto found = f.space.find_violation();
        return found ? found->law : "";
    };
    SECTION("an area that is nowhere") {
        Inside::busy(f.space).remove(areas[6]);
        CHECK(law() == "V2");
        Inside::busy(f.space).insert(areas[6]);
    }
    SECTION("an area that ends too late") {
        Inside::busy(f.space).resize(areas[8], areas[8]->start, areas[8]->end + page);
        CHECK((law() == "V1" || law() == "V2"));
    }
    SECTION("two areas at one place") {
        VmapArea second{.start = areas[10]->start, .end = areas[10]->end};
        Inside::lazy(f.space).insert(&second);
        CHECK((law() == "V1" || law() == "V2"));
        Inside::lazy(f.space).remove(&second);
    }
    SECTION("two free areas that meet") {
        AreaTree& free = Inside::free(f.space);
        VmapArea* const hole = free.find(window.begin.value() + 17 * page);
        REQUIRE(hole != nullptr);
        free.resize(hole, hole->start, hole->end - page);
        VmapArea rest{.start = hole->end, .end = hole->end + page};
        free.insert(&rest);
        CHECK(law() == "V2");
        free.remove(&rest);
    }
    SECTION("a subtree that promises too much") {
        Inside::free(f.space).root()->largest += page;
        CHECK(law() == "V3");
        Inside::free(f.space).root()->largest -= page;
    }
    SECTION("lazy pages miscounted") {
        ++Inside::lazy_pages(f.space);
        CHECK(law() == "V4");
    }
}

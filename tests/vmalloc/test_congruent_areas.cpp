// Areas at fixed distances, from the top of the window downwards (VM-60).
#include <catch2/catch.hpp>

#include <vector>

#include "allocators/vmalloc/inside.hpp"

using namespace kmemlab;

namespace {

constexpr CpuId cpu{0};
constexpr std::uint64_t window_pages = 256;
constexpr VirtAddr begin{0xffffc90000000000};
constexpr AddressRange window{begin, begin.plus_pages(window_pages)};

std::vector<AreaPart> in_pages(std::vector<AreaPart> parts) {
    for (AreaPart& part : parts) part = {part.offset * page_size, part.size * page_size};
    return parts;
}

struct Fixture {
    OwnedCpus cpus{1};
    VmapSpace<OwnedCpus> space{cpus, 1000, [](std::uint64_t, std::uint64_t, CpuId) {}};

    CongruentAreas<OwnedCpus> areas(std::vector<AreaPart> parts, std::uint64_t align_pages = 1) {
        return {space, cpus, window, in_pages(std::move(parts)), align_pages * page_size};
    }
    VmapArea* occupy(std::uint64_t page, std::uint64_t pages) {
        return space.occupy(begin.plus_pages(page).value(), begin.plus_pages(page + pages).value(), cpu);
    }
    [[nodiscard]] bool is_free(std::uint64_t page) const {
        return space.find_busy(begin.plus_pages(page).value(), cpu) == nullptr;
    }
    [[nodiscard]] std::string violation() const {
        const auto found = space.find_violation();
        return found ? found->message() : "";
    }
};

/// In pages from the window's begin; none: ~0.
std::uint64_t page_of(std::optional<VirtAddr> base) {
    return base ? (*base - begin) / page_size : ~std::uint64_t{0};
}

/// The same by trying every base.
std::uint64_t highest_base(const Fixture& f, const std::vector<AreaPart>& parts, std::uint64_t align) {
    const auto fits = [&](std::uint64_t base) {
        for (const AreaPart& part : parts) {
            if (base + part.end() > window_pages) return false;
            for (std::uint64_t page = 0; page < part.size; ++page) {
                if (!f.is_free(base + part.offset + page)) return false;
            }
        }
        return true;
    };
    for (std::uint64_t base = window_pages; base-- > 0;) {
        if (base % align == 0 && fits(base)) return base;
    }
    return ~std::uint64_t{0};
}

}  // namespace

TEST_CASE("chunks lie below each other from the top of the window, parts of one between those of another") {
    Fixture f;
    auto areas = f.areas({{0, 4}, {10, 4}});
    CHECK(page_of(areas.take(cpu)) == window_pages - 14);
    CHECK(page_of(areas.take(cpu)) == window_pages - 18);
    CHECK(page_of(areas.take(cpu)) == window_pages - 32);  // the third would meet the second's second part
    CHECK(f.space.busy().count() == 6);
    CHECK_FALSE(areas.find_violation());
    CHECK(f.violation() == "");
}

TEST_CASE("the base is the highest that suits every part") {
    Fixture f;
    f.occupy(250, 1);
    f.occupy(225, 2);
    auto areas = f.areas({{0, 4}, {20, 8}}, 4);
    const auto base = areas.take(cpu);
    CHECK(page_of(base) == 220);  // 228 would put the second part on page 250, 224 the first on page 225
    CHECK_FALSE(f.is_free(220));
    CHECK_FALSE(f.is_free(247));
    CHECK(f.is_free(224));
}

TEST_CASE("when nothing fits a purge is made, once") {
    Fixture f;
    auto areas = f.areas({{0, 100}, {128, 100}});
    const VirtAddr base = *areas.take(cpu);
    CHECK_FALSE(areas.take(cpu));
    CHECK(areas.give(base, cpu) == false);
    CHECK(f.space.lazy_pages() == 200);
    CHECK(areas.take(cpu) == base);
    CHECK(f.space.purges() == 1);
    CHECK(f.violation() == "");
}

TEST_CASE("what begins below the window or is larger than it does not fit") {
    Fixture f;
    CHECK(page_of(f.areas({{0, window_pages}}).take(cpu)) == 0);
    CHECK_FALSE(Fixture{}.areas({{0, window_pages + 1}}).take(cpu));
    Fixture hole;
    hole.occupy(1, window_pages - 1);  // below the window all is free, but not ours
    CHECK(page_of(hole.areas({{0, 1}}).take(cpu)) == 0);
    CHECK_FALSE(hole.areas({{0, 1}}).take(cpu));
}

TEST_CASE("a place that would reach beyond the highest address is none") {
    constexpr std::uint64_t highest = ~std::uint64_t{0};
    VmapArea all{.start = 1, .end = highest};
    AreaTree free;
    free.insert(&all);
    const AddressRange top{VirtAddr{highest - 65 * page_size + 1}, VirtAddr{highest - page_size + 1}};
    const std::vector<AreaPart> parts{{0, page_size}, {300 * page_size, 8 * page_size}};
    CHECK_FALSE(find_congruent(free, parts, page_size, top));
    CHECK_FALSE(try_congruent(free, parts, page_size, top));
    free.remove(&all);
}

TEST_CASE("a base that no chunk has is not taken back, and a purge is told when it is due") {
    Fixture f;
    auto areas = f.areas({{0, 50}, {60, 60}});
    const VirtAddr base = *areas.take(cpu);
    CHECK_FALSE(areas.give(base.plus_pages(60), cpu));
    CHECK(areas.give(base, cpu) == false);
    CHECK_FALSE(areas.give(base, cpu));
    VmapSpace<OwnedCpus> small{f.cpus, 100, [](std::uint64_t, std::uint64_t, CpuId) {}};
    CongruentAreas<OwnedCpus> due{small, f.cpus, window, in_pages({{0, 50}, {60, 60}}), page_size};
    CHECK(due.give(*due.take(cpu), cpu) == true);
}

TEST_CASE("patterns that cannot be are refused") {
    Fixture f;
    CHECK_THROWS_AS(f.areas({}), UsageError);
    CHECK_THROWS_WITH(f.areas({{0, 4}, {3, 1}}), Catch::Contains("overlap the part before"));
    CHECK_THROWS_WITH(f.areas({{0, 4}, {6, 4}}, 4), Catch::Contains("no multiples of 16384"));
    CHECK_THROWS_WITH(f.areas({{0, 4}}, 3), Catch::Contains("alignment"));
    CHECK_THROWS_AS(f.areas({{0, 0}}), UsageError);
}

TEST_CASE("in random address spaces the base is what trying every base gives") {
    std::uint64_t x = 42;
    const auto draw = [&](std::uint64_t below) { return (x ^= x << 13, x ^= x >> 7, x ^= x << 17) % below; };
    unsigned found = 0;
    unsigned failed = 0;
    for (int i = 0; i < 2000; ++i) {
        Fixture f;
        for (std::uint64_t n = draw(20); n > 0; --n) {
            const std::uint64_t page = draw(window_pages);
            if (f.is_free(page)) f.occupy(page, 1);
        }
        const std::uint64_t align = std::uint64_t{1} << draw(3);
        std::vector<AreaPart> parts;
        for (std::uint64_t n = 1 + draw(4), at = 0; n > 0; --n) {
            parts.push_back({at * align, (1 + draw(8)) * align});
            at = parts.back().end() / align + draw(10);
        }
        const std::uint64_t expected = highest_base(f, parts, align);
        auto areas = f.areas(parts, align);
        const auto tried = try_congruent(f.space.free(), in_pages(parts), align * page_size, window);
        REQUIRE(page_of(tried ? std::optional{VirtAddr{*tried}} : std::nullopt) == expected);
        REQUIRE(page_of(areas.take(cpu)) == expected);
        REQUIRE(f.violation() == "");
        ++(expected == ~std::uint64_t{0} ? failed : found);
    }
    CHECK(found > 500);
    CHECK(failed > 100);
}

TEST_CASE("V8: a chunk that was refused although it fits is named") {
    Fixture f;
    f.occupy(100, 10);
    f.occupy(111, 9);
    f.occupy(121, window_pages - 121);
    auto areas = f.areas({{0, 5}, {10, 5}});
    // The search is misled: from the page where it begins no way leads down.
    VmapArea* const highest = VmapSpace<OwnedCpus>::Inside::free(f.space).find(begin.plus_pages(120).value());
    REQUIRE(highest->left == nullptr);
    VmapArea* const parent = std::exchange(highest->parent, nullptr);
    REQUIRE_FALSE(areas.take(cpu));
    highest->parent = parent;
    CHECK_THAT(f.violation(), Catch::StartsWith("V8"));
    CHECK(page_of(areas.take(cpu)) == 85);
}

TEST_CASE("V13: a chunk whose areas are not where the pattern wants them is named") {
    using Inside = CongruentAreas<OwnedCpus>::Inside;
    Fixture f;
    auto areas = f.areas({{0, 4}, {10, 4}});
    const std::uint64_t first = areas.take(cpu)->value();
    const std::uint64_t second = areas.take(cpu)->value();
    REQUIRE_FALSE(areas.find_violation());
    const auto law = [&] {
        const auto found = areas.find_violation();
        return found ? std::string{found->law} : "";
    };
    auto& chunks = Inside::chunks(areas);
    SECTION("an area of another chunk") {
        std::swap(chunks.at(first)[1], chunks.at(second)[1]);
    }
    SECTION("an area too few") {
        chunks.at(first).pop_back();
    }
    SECTION("an area that is not in use") {
        (void)f.space.free_lazily(chunks.at(second)[0], cpu);
    }
    SECTION("an area of another size") {
        VmapArea* const area = chunks.at(second)[0];
        VmapSpace<OwnedCpus>::Inside::busy(f.space).resize(area, area->start, area->end - page_size);
    }
    CHECK(law() == "V13");
}

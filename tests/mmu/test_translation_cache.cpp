// Replacement, by cases computed by hand.
#include <catch2/catch.hpp>

#include <map>
#include <string>

#include "allocators/mmu/translation_cache.hpp"

using namespace kmemlab;

namespace {

/// A cache of 4 KiB pages, which tells what it holds.
struct Pages {
    explicit Pages(unsigned entries, unsigned ways, Replacement replacement = Replacement::lru)
        : cache{{{Cached::page_4k, Cached::page_2m}, entries, ways, replacement}} {}

    void insert(std::uint64_t page) {
        cache.insert(Cached::page_4k, VirtAddr::of_page(page), {&entry, Pte::leaf(Pfn{page}, 1)});
    }
    void use(std::uint64_t page) { REQUIRE(cache.find(Cached::page_4k, VirtAddr::of_page(page)) != nullptr); }
    /// Every page that is held, ascending.
    [[nodiscard]] std::string held() const {
        std::map<std::uint64_t, Pfn> pages;
        cache.for_each(
            [&](Cached, VirtAddr at, const Translation& t) { pages[at.page()] = t.entry.first_frame(); });
        std::string text;
        for (const auto& [page, frame] : pages) {
            CHECK(frame == Pfn{page});
            text += std::to_string(page) + " ";
        }
        return text;
    }

    Pte entry;
    TranslationCache cache;
};

}  // namespace

TEST_CASE("lru gives up what was used longest ago") {
    Pages p{4, 4};
    for (const std::uint64_t page : {10U, 11U, 12U, 13U}) p.insert(page);
    p.use(10);
    p.insert(14);
    CHECK(p.held() == "10 12 13 14 ");
    p.use(12);
    p.insert(15);
    p.insert(16);
    CHECK(p.held() == "12 14 15 16 ");
    p.insert(17);
    CHECK(p.held() == "12 15 16 17 ");
}

TEST_CASE("a way that was dropped is filled before anything is given up") {
    Pages p{4, 4};
    for (const std::uint64_t page : {0U, 1U, 2U, 3U}) p.insert(page);
    p.cache.drop(Cached::page_4k, VirtAddr::of_page(2));
    p.cache.drop(Cached::page_4k, VirtAddr::of_page(99));
    CHECK(p.held() == "0 1 3 ");
    p.insert(4);
    CHECK(p.held() == "0 1 3 4 ");
    p.insert(5);
    CHECK(p.held() == "1 3 4 5 ");
    p.insert(6);
    CHECK(p.held() == "3 4 5 6 ");
}

TEST_CASE("the low bits of the page number name the set") {
    Pages p{8, 2};
    for (const std::uint64_t page : {0U, 4U, 8U, 1U, 5U, 2U, 3U}) p.insert(page);
    CHECK(p.held() == "1 2 3 4 5 8 ");
    p.use(4);
    p.insert(12);
    CHECK(p.held() == "1 2 3 4 5 12 ");
}

TEST_CASE("a huge page's set is named by its own number") {
    Pages p{4, 2};
    const auto huge = [&](std::uint64_t number) {
        p.cache.insert(Cached::page_2m, VirtAddr{number << 21}, {&p.entry, Pte::leaf(Pfn{number << 9}, 2)});
    };
    huge(0);
    huge(2);
    huge(1);
    huge(4);
    std::string held;
    p.cache.for_each([&](Cached kind, VirtAddr at, const Translation&) {
        CHECK(kind == Cached::page_2m);
        held += std::to_string(at.value() >> 21) + " ";
    });
    CHECK(held == "4 2 1 ");
    CHECK(p.cache.find(Cached::page_2m, VirtAddr{(2U << 21) + 12345}) != nullptr);
    CHECK(p.cache.find(Cached::page_4k, VirtAddr{2U << 21}) == nullptr);
}

TEST_CASE("a tree of eight ways gives up what its bits point at") {
    Pages p{8, 8, Replacement::tree_plru};
    for (std::uint64_t page = 0; page < 8; ++page) p.insert(page);
    // After 0..7 in order every bit points left: way 0. Then the root points right: way 4.
    p.insert(20);
    CHECK(p.held() == "1 2 3 4 5 6 7 20 ");
    p.insert(21);
    CHECK(p.held() == "1 2 3 5 6 7 20 21 ");
    // Left half again; of it the pair {2, 3}, of that 2. True lru would take 1.
    p.insert(22);
    CHECK(p.held() == "1 3 5 6 7 20 21 22 ");
    p.use(6);
    // The root points left, there to the pair {20, 1}, there to 1.
    p.insert(23);
    CHECK(p.held() == "3 5 6 7 20 21 22 23 ");
}

TEST_CASE("a tree of two ways is lru") {
    Pages tree{2, 2, Replacement::tree_plru};
    Pages lru{2, 2};
    std::uint64_t seed = 3;
    for (int i = 0; i < 1000; ++i) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        const VirtAddr at = VirtAddr::of_page((seed >> 40) % 4);
        const bool found = lru.cache.find(Cached::page_4k, at) != nullptr;
        REQUIRE((tree.cache.find(Cached::page_4k, at) != nullptr) == found);
        if (!found) lru.insert(at.page()), tree.insert(at.page());
    }
}

TEST_CASE("a cache keeps what a plain model of lru keeps") {
    constexpr unsigned ways = 6;
    constexpr unsigned sets = 256;
    Pages p{ways * sets, ways};
    std::map<std::uint64_t, std::vector<std::uint64_t>> model;  // set -> pages, the oldest first
    std::uint64_t seed = 11;
    for (int i = 0; i < 100000; ++i) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        const std::uint64_t number = (seed >> 40) % 3000;
        const std::uint64_t page = number * number * number;  // irregular, so that keys meet in the index
        auto& set = model[page % sets];
        const auto known = std::find(set.begin(), set.end(), page);
        const bool hit = p.cache.find(Cached::page_4k, VirtAddr::of_page(page)) != nullptr;
        REQUIRE(hit == (known != set.end()));
        if (seed >> 33 & 1) {
            if (hit) p.cache.drop(Cached::page_4k, VirtAddr::of_page(page)), set.erase(known);
            continue;
        }
        if (hit)
            set.erase(known);
        else
            p.insert(page);
        set.push_back(page);
        if (set.size() > ways) set.erase(set.begin());
    }
    std::size_t size = 0;
    for (const auto& [number, set] : model) size += set.size();
    CHECK(p.cache.size() == size);
    p.cache.clear();
    CHECK(p.held() == "");
    CHECK(p.cache.size() == 0);
}

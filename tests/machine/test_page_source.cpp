#include <catch2/catch.hpp>

#include "allocators/machine/page_source.hpp"

using namespace kmemlab;

namespace {

/// Remembers what it was asked last.
struct RecordingPages {
    std::optional<Pfn> take(Order o, Gfp g, CpuId c) {
        ++takes;
        order = o;
        gfp = g;
        cpu = c;
        return answer;
    }
    void give(Pfn p, Order o, CpuId c) {
        ++gives;
        given = p;
        order = o;
        cpu = c;
    }
    Arena& arena() { return frames; }

    Arena frames{page_size};
    std::optional<Pfn> answer = Pfn{17};
    int takes = 0;
    int gives = 0;
    Pfn given;
    Order order;
    Gfp gfp;
    CpuId cpu;
};

}  // namespace

TEST_CASE("a reference to a page source passes calls and answers on") {
    RecordingPages pages;
    PageSourceRef reference{pages};
    CHECK(reference.take(Order{3}, GFP_ATOMIC | __GFP_COMP, CpuId{5}) == Pfn{17});
    CHECK(pages.takes == 1);
    CHECK(pages.order == Order{3});
    CHECK(pages.gfp == (GFP_ATOMIC | __GFP_COMP));
    CHECK(pages.cpu == CpuId{5});
    reference.give(Pfn{40}, Order{2}, CpuId{1});
    CHECK(pages.gives == 1);
    CHECK(pages.given == Pfn{40});
    CHECK(pages.order == Order{2});
    CHECK(pages.cpu == CpuId{1});
    CHECK(&reference.arena() == &pages.frames);
}

TEST_CASE("a reference to a page source passes on that there is no memory") {
    RecordingPages pages;
    pages.answer = {};
    CHECK_FALSE(PageSourceRef{pages}.take(Order{0}, GFP_KERNEL, CpuId{0}));
}

TEST_CASE("a copy of a reference refers to the same source") {
    RecordingPages pages;
    PageSourceRef reference{pages};
    PageSourceRef copy = reference;
    CHECK(copy.take(Order{0}, GFP_KERNEL, CpuId{0}));
    CHECK(pages.takes == 1);
    CHECK(sizeof(PageSourceRef) == 2 * sizeof(void*));
}

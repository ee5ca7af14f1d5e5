// What machines of mappings believe of a page table.
#include <catch2/catch.hpp>

#include "fuzz/oracle/page_runs.hpp"

using namespace kmemlab;
using namespace kmemlab::oracle;

TEST_CASE("frames come again when there are no more") {
    const Frames frames{.first = Pfn{100}, .begin = 1, .step = 5, .among = 8};
    CHECK(frames.at(0) == Pfn{105});
    CHECK(frames.at(1) == Pfn{102});
    CHECK(frames.at(8) == frames.at(0));
}

TEST_CASE("pages of a run keep their frames when some of them go") {
    PageRuns runs;
    runs.insert(1000, 10, {.first = Pfn{50}});
    runs.erase(1003, 1005);
    CHECK(runs.frame_of(1002) == Pfn{52});
    CHECK_FALSE(runs.frame_of(1003));
    CHECK_FALSE(runs.frame_of(1004));
    CHECK(runs.frame_of(1005) == Pfn{55});
    CHECK(runs.frame_of(1009) == Pfn{59});
    CHECK_FALSE(runs.frame_of(1010));
    CHECK_FALSE(runs.frame_of(999));
}

TEST_CASE("the next page of a run is that page, or the begin of the run behind it") {
    PageRuns runs;
    runs.insert(10, 2, {.first = Pfn{1}});
    runs.insert(20, 1, {.first = Pfn{9}});
    CHECK(runs.next(0) == 10);
    CHECK(runs.next(11) == 11);
    CHECK(runs.next(12) == 20);
    CHECK(runs.next(21) == ~std::uint64_t{0});
}

TEST_CASE("part of a run moves with its frames") {
    PageRuns from;
    PageRuns to;
    from.insert(0, 8, {.first = Pfn{70}});
    to.take_from(from, 2, 4);
    CHECK(to.frame_of(3) == Pfn{73});
    CHECK_FALSE(from.frame_of(3));
    CHECK(from.frame_of(4) == Pfn{74});
    CHECK_FALSE(to.frame_of(4));
}

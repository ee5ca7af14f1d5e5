// What is read from the rows of a pointer chase.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <functional>

#include "bench/mapping/access.hpp"

using namespace kmemlab;
using namespace kmemlab::mapping;
using Catch::Contains;

namespace {

constexpr double hit_ns = 2;

using Cost = std::function<double(std::size_t)>;

/// Rows of one kind, from 16 nodes to 32768.
void add_rows(std::vector<ContestRow>& rows, const std::string& who, const Cost& cost) {
    for (std::size_t nodes = 16; nodes <= 32768; nodes = nodes * 5 / 4) {
        const double ns = cost(nodes);
        rows.push_back({fmt::format("access/{}/{}", nodes, who), 1, {ns}, {ns}, {}});
    }
}

double lines(std::size_t nodes) {
    return nodes <= 700 ? hit_ns : 5;
}
double small_pages(std::size_t pages) {
    const double walk = pages <= 64 ? 0 : pages <= 2000 ? 3 : 15;
    return lines(pages) + walk;
}

std::string reach_with(const Cost& huge) {
    std::vector<ContestRow> rows;
    add_rows(rows, "lines", lines);
    add_rows(rows, "direct-4k", small_pages);
    add_rows(rows, "direct-2m", huge);
    return reach_statement(access_curves(rows));
}

}  // namespace

TEST_CASE("knees of pages are levels of the TLB once the data caches are subtracted") {
    std::vector<ContestRow> rows;
    add_rows(rows, "lines", lines);
    add_rows(rows, "direct-4k", small_pages);
    const auto named = named_knees(access_curves(rows));
    REQUIRE(named.size() == 3);
    CHECK(named[0].who == "direct-4k");
    CHECK(named[0].name == "L1 TLB");
    CHECK(named[0].knee.size <= 64);
    CHECK(named[0].knee.after == Approx(3));
    CHECK(named[1].name == "L2 TLB");
    CHECK(named[1].knee.size <= 2000);
    CHECK(named[2].who == "lines");
    CHECK(named[2].name == "L1 cache");
}

TEST_CASE("knees of the played TLB come from its counts") {
    std::vector<ContestRow> rows;
    for (std::uint64_t pages = 16; pages <= 8192; pages *= 2) {
        const Counts counts{{"l2_hits", pages > 64 && pages <= 512 ? 100 : 0},
                            {"walks", pages > 512 ? 100 : 0},
                            {"walk_steps", pages > 512 ? 100 : 0},
                            {"units", 100}};
        rows.push_back({fmt::format("access/{}/soft-4k", pages), 1, {7}, {7}, counts});
    }
    const auto named = named_knees(access_curves(rows));
    REQUIRE(named.size() == 2);
    CHECK(named[0].knee.size == 64);
    CHECK(named[1].knee.size == 512);
    CHECK(named[1].name == "L2 TLB");
}

TEST_CASE("huge pages that cost nothing where small ones do widen the reach") {
    CHECK_THAT(reach_with(lines), Contains("widen the reach") && !Contains("shorten"));
}

TEST_CASE("huge pages with the same knees and a lower level only shorten the walk") {
    const auto shorter = [](std::size_t pages) {
        return lines(pages) + (small_pages(pages) - lines(pages)) * 0.6;
    };
    CHECK_THAT(reach_with(shorter), Contains("shorten the walk and do not widen") && Contains("0.60"));
}

TEST_CASE("nothing is said of huge pages that were not measured, or where small ones cost nothing") {
    std::vector<ContestRow> rows;
    add_rows(rows, "lines", lines);
    add_rows(rows, "direct-4k", small_pages);
    CHECK(reach_statement(access_curves(rows)).empty());
    rows.clear();
    for (const char* who : {"lines", "direct-4k", "direct-2m"}) add_rows(rows, who, lines);
    CHECK(reach_statement(access_curves(rows)).empty());
}

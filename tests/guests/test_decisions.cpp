/// The comparison of what two kernels decided.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "bench/golden/make.hpp"
#include "bench/versus/decisions.hpp"

using namespace kmemlab;
using versus::decision;

namespace {

const std::string table = "# kernel=6.1\nsize,order,min_partial\n8,0,5\n16,0,5\n";

}  // namespace

TEST_CASE("the same rows are the same decisions, whatever the parameters say") {
    const auto found = decision("geometry", table, "# kernel=6.2\nsize,order,min_partial\n8,0,5\n16,0,5\n");
    CHECK(found.rows == 3);
    CHECK(found.rows_that_differ == 0);
    CHECK_FALSE(found.first);
}

TEST_CASE("the first row that differs is told by its columns") {
    const auto found = decision("geometry", table, "# kernel=6.1\nsize,order,min_partial\n8,0,5\n16,1,20\n");
    REQUIRE(found.first);
    CHECK(found.rows_that_differ == 1);
    CHECK(found.first->row == 4);
    CHECK(found.first->what == "order 0 -> 1, min_partial 5 -> 20");
}

TEST_CASE("rows without columns are told as they are") {
    const auto found = decision("buddytrace", "T,0,A,17\nT,1,F,17\n", "T,0,A,18\nT,1,F,18\n");
    REQUIRE(found.first);
    CHECK(found.rows_that_differ == 2);
    CHECK(found.first->what.empty());
    CHECK(found.first->before == "T,0,A,17");
    CHECK(found.first->after == "T,0,A,18");
}

TEST_CASE("rows that only one has differ") {
    const auto found = decision("geometry", table, table + "24,0,5\n");
    REQUIRE(found.first);
    CHECK(found.rows_that_differ == 1);
    CHECK(found.first->before == "(nothing)");
}

TEST_CASE("an experiment's file is named after its words") {
    const auto one = golden::experiment_of("slabtrace 64 5000 0x99", 1 << 20, 4);
    CHECK(one.file == "slabtrace-64-5000-0x99.csv");
    CHECK(one.command == "slabtrace 64 5000 0x99");
}

TEST_CASE("no two public experiments of a kernel share a file") {
    for (const char* allocator : {"slub", "slab", "slob"}) {
        for (const bool smp : {false, true}) {
            guests::Kernel kernel;
            kernel.allocator = allocator;
            kernel.smp = smp;
            std::vector<std::string> files;
            for (const auto& each : golden::public_experiments(kernel)) files.push_back(each.file);
            std::sort(files.begin(), files.end());
            CHECK(std::adjacent_find(files.begin(), files.end()) == files.end());
            CHECK(files.size() > 10);
        }
    }
}

/// Every shipped file, by its kind: all rows agree.
#include <catch2/catch.hpp>

#include "bench/golden/check.hpp"
#include "tests/golden/files.hpp"

using namespace kmemlab;
using namespace kmemlab::test;
using golden::Context;
using golden::GoldenFile;
using golden::Verdict;

namespace {

const std::string nothing;

/// Both answers where a row differs; `nothing`: none does.
std::string difference(const Verdict& verdict) {
    if (!verdict.difference) return nothing;
    return "row " + std::to_string(verdict.difference->row) + ": expected " + verdict.difference->expected +
           ", found " + verdict.difference->found;
}

/// Compares at least `files` files of at least `rows` rows altogether.
void compare_all(const std::vector<std::string>& names, std::size_t files, std::uint64_t rows,
                 Context context = Context::owned) {
    CHECK(names.size() >= files);
    std::uint64_t compared = 0;
    for (const std::string& name : names) {
        const Verdict verdict = golden::check(GoldenFile::read(name), context);
        INFO(name);
        CHECK(difference(verdict) == nothing);
        CHECK(verdict.skipped == nothing);
        CHECK(verdict.rows > 0);
        compared += verdict.rows;
    }
    CHECK(compared >= rows);
}

}  // namespace

TEST_CASE("SLUB on one CPU decides as Linux 6.1 did", "[slub]") {
    compare_all(golden_files("linux-6.1-slub"), 13, 250000);
}

TEST_CASE("SLUB on several CPUs decides as Linux 6.1 did", "[slub]") {
    compare_all(golden_files("linux-6.1-smp-slub"), 13, 230000);
}

TEST_CASE("SLUB finds planted corruptions as Linux 6.1 did, and words its reports so", "[slub]") {
    compare_all(golden_files("linux-6.1-slub-debug"), 28, 300);
}

TEST_CASE("SLAB on one CPU decides as Linux 6.1 did", "[slab]") {
    compare_all(golden_files("linux-6.1-slab"), 15, 150000);
}

TEST_CASE("SLAB on several CPUs decides as Linux 6.1 did", "[slab]") {
    compare_all(golden_files("linux-6.1-smp-slab"), 11, 190000);
}

TEST_CASE("SLOB decides as Linux 6.1 did", "[slob]") {
    compare_all(golden_files("linux-6.1-slob"), 12, 280000);
}

TEST_CASE("pages are given on one CPU as Linux 6.1 gave them", "[pages]") {
    compare_all(golden_files("linux-6.1-pages"), 6, 185000);
}

TEST_CASE("pages are given on several CPUs as Linux 6.1 gave them", "[pages]") {
    compare_all(golden_files("linux-6.1-smp-pages"), 10, 300000);
}

TEST_CASE("vmalloc gives the addresses that Linux 6.1 gave, on one CPU and on four", "[vmalloc]") {
    compare_all(golden_files("linux-6.1-vmalloc"), 2, 18000);
    compare_all(golden_files("linux-6.1-smp-vmalloc"), 2, 21000);
}

TEST_CASE("the caches of a 5.15 with 16 CPUs follow from the formulas, and so does the number", "[others]") {
    const Verdict verdict = golden::check(shipped("linux-5.15-slub/slabinfo-5.15-16cpu.csv"));
    CHECK(difference(verdict) == nothing);
    CHECK(verdict.rows == 166);
    CHECK(verdict.note == "16 to 31 CPUs");
}

TEST_CASE("the caches of a 6.18 follow from the formulas but for one, which a later rule explains",
          "[others]") {
    const Verdict verdict = golden::check(shipped("linux-6.18-slub/slub-6.18-2cpu.csv"));
    CHECK(difference(verdict) == nothing);
    CHECK(verdict.rows == 235);
    CHECK(verdict.note == "2 to 3 CPUs, rule L1: 1 row");
}

TEST_CASE("slub_min_objects is recognised though the file does not tell it", "[others]") {
    for (const int least : {12, 16, 20}) {
        const std::string number = std::to_string(least);
        const Verdict verdict =
            golden::check(shipped("linux-6.1-slub/geometry-minobj" + number + ".csv.zst"));
        CHECK(verdict.note == "slub_min_objects=" + number);
    }
    CHECK(golden::check(shipped("linux-6.1-slub/geometry.csv.zst")).note == nothing);
}

TEST_CASE("timings are skipped with a reason", "[others]") {
    for (const std::string& name : golden_files("linux-6.1-timing")) {
        const Verdict verdict = golden::check(GoldenFile::read(name));
        INFO(name);
        CHECK(verdict.skipped == "no model for this format yet: timing");
        CHECK(verdict.rows == 0);
    }
}

TEST_CASE("who runs on a CPU changes no decision", "[context]") {
    std::vector<std::string> names;
    for (const char* folder :
         {"linux-6.1-slub", "linux-6.1-slab", "linux-6.1-slob", "linux-6.1-smp-slub", "linux-6.1-smp-slab"}) {
        for (const std::string& name : golden_files(folder, "slabtrace-")) names.push_back(name);
    }
    compare_all(names, 30, 600000, Context::simulated);
}

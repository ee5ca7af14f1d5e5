/// What cannot be used is told in a message that names file, line and what was expected.
#include <catch2/catch.hpp>

#include "bench/golden/check.hpp"
#include "tests/golden/files.hpp"

using namespace kmemlab;
using namespace kmemlab::test;
using Catch::Contains;
using golden::check;
using golden::GoldenFile;

namespace {

/// The message with which the file is refused.
std::string refused(const std::vector<std::string>& lines) {
    try {
        const golden::Verdict verdict = check(file_of(lines));
        return verdict.difference ? "differs at row " + std::to_string(verdict.difference->row) : "agrees";
    } catch (const UsageError& error) {
        return error.what();
    }
}

/// A file with its line `line` (from 0 on) replaced.
std::string refused_with(const char* name, std::size_t line, const std::string& changed) {
    auto lines = lines_of(shipped(name));
    lines.at(line) = changed;
    return refused(lines);
}

/// A file with the first occurrence of `from` in its parameters replaced.
std::string refused_parameter(const char* name, std::string_view from, std::string_view to) {
    auto lines = lines_of(shipped(name));
    for (std::string& line : lines) {
        const auto at = line.find(from);
        if (at == std::string::npos) continue;
        line.replace(at, from.size(), to);
        return refused(lines);
    }
    return "nothing to replace";
}

constexpr const char* trace = "linux-6.1-slub/slabtrace-192.csv.zst";
constexpr const char* pages = "linux-6.1-smp-pages/buddytrace-all-random-slub.csv.zst";

}  // namespace

TEST_CASE("a file of another kind is refused", "[input]") {
    CHECK_THAT(refused({"hello"}), Contains("changed:1: of no known format"));
    CHECK_THROWS_AS(GoldenFile("empty", ""), UsageError);
    CHECK_THROWS_WITH(GoldenFile("cut", "# slabtrace size=1\n0,A,0"), Contains("cut:2: ends in the middle"));
}

TEST_CASE("a file that ends too early is refused", "[input]") {
    for (const char* name :
         {trace, pages, "linux-6.1-slab/bulktrace-256.csv.zst", "linux-6.1-slab/reap-64.csv.zst",
          "linux-6.1-slab/reapsleep-256.csv.zst", "linux-6.1-slub-debug/byte50-FZPU.txt",
          "linux-6.1-slub-debug/kunit-selftest.txt", "linux-6.1-smp-slab/slabtrace-192-random.csv.zst"}) {
        auto lines = lines_of(shipped(name));
        lines.pop_back();
        CAPTURE(name);
        CHECK_THAT(refused(lines),
                   Contains("changed:" + std::to_string(lines.size() + 1) + ": the file ends here"));
    }
}

TEST_CASE("a file that goes on too long differs", "[input]") {
    auto lines = lines_of(shipped(trace));
    lines.push_back(lines.back());
    CHECK(refused(lines) == "differs at row " + std::to_string(lines.size()));
}

TEST_CASE("a line that is no row is refused by its number", "[input]") {
    CHECK_THAT(refused_with(trace, 99, "94,A,94"), Contains("changed:100: '94,A,94' is no row"));
    CHECK_THAT(refused_with(trace, 99, "94,A,94,x,0,0,0,0,0"), Contains("changed:100:"));
    CHECK_THAT(refused_with(trace, 99, ""), Contains("changed:100:"));
    CHECK_THAT(refused_with("linux-6.1-slub/geometry.csv.zst", 50, "48,0,0,48"), Contains("changed:51:"));
    CHECK_THAT(refused_with("linux-6.1-slub/kmalloc.csv.zst", 50, "dma,1,OK,8,kmalloc-8,1"),
               Contains("changed:51:"));
    CHECK_THAT(refused_with("linux-6.1-slub-debug/counts.csv", 3, "other,FZPU,0,x,0,0,0,0"),
               Contains("changed:4: no case 'other'"));
    CHECK_THAT(refused_with("linux-5.15-slub/slabinfo-5.15-16cpu.csv", 3, "a,b,c,d"), Contains("changed:4:"));
}

TEST_CASE("parameters that cannot be are refused by name", "[input]") {
    CHECK_THAT(refused_parameter(trace, "allocator=slub", "allocator=slzb"), Contains("slub, slab or slob"));
    CHECK_THAT(refused_parameter(trace, "allocator=slub", "allocated=slub"), Contains("allocator="));
    CHECK_THAT(refused_parameter(trace, "size=192", "size=0"), Contains("size=0: expected 1..4194304"));
    CHECK_THAT(refused_parameter(trace, "nops=20000", "nops=3"), Contains("nops=3: expected 8.."));
    CHECK_THAT(refused_parameter(trace, "seed=0x1234567", "seed=0"), Contains("seed=0"));
    CHECK_THAT(refused_parameter(trace, "nr_cpu_ids=1 ", "nr_cpu_ids=300 "), Contains("expected 1..256"));
    CHECK_THAT(refused_parameter(pages, "policy=random", "policy=fair"),
               Contains("policy=fair: expected local"));
    CHECK_THAT(refused_parameter(pages, "mode=all", "mode=most"), Contains("mode=most: expected all"));
    CHECK_THAT(refused_parameter(pages, "ncpu=4", "ncpu=0"), Contains("ncpu=0"));
}

TEST_CASE("a state that no page allocator can be in is refused by its line", "[input]") {
    auto whole = lines_of(shipped(pages));
    const auto refused_row = [&](std::string_view beginning, const std::string& changed) {
        auto lines = whole;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            if (!lines[i].starts_with(beginning)) continue;
            lines[i] = changed;
            const std::string message = refused(lines);
            INFO(message);
            CHECK(message.starts_with("changed:" + std::to_string(i + 1) + ": "));
            return;
        }
        FAIL("no row " << beginning);
    };
    refused_row("S,FL,", "S,FL,DMA,11,0,0,1024");
    refused_row("S,FL,", "S,FL,DMA,3,0,0,1025");
    refused_row("S,FL,", "S,FL,DMA,3,9,0,1024");
    refused_row("S,FL,", "S,FL,DMA,3,0,0,999999999");
    refused_row("S,FL,", "S,FL,DMA,3,0,0");
    refused_row("S,PCP,", "S,PCP,DMA32,9,0,0,4096,0");
    refused_row("S,PB,", "S,PB,DMA,99999999,0");
    refused_row("S,zone,DMA32",
                "S,zone,DMA32,idx=1,start_pfn=0,spanned=1044480,present=520160,managed=500000");
    refused_row("S,wmark,", "S,wmark,DMA,min=x");
    refused_row("S,nrfreepages,", "S,nrfreepages,DMA,global=3840");
    refused_row("S,const,", "S,const,pageblock_order=77");
    refused_row("S,PCP,", "S,what,1");
}

TEST_CASE("a state of SLOB's heap that cannot be is refused by its line", "[input]") {
    auto lines = lines_of(shipped("linux-6.1-slob/slabtrace-100.csv.zst"));
    const std::size_t block = 6;  // the first page's first block
    REQUIRE(lines.at(block).starts_with("0,B,0,0,"));
    lines[block] = "0,B,0,0,4094,0,2,small";
    CHECK_THAT(refused(lines), Contains("changed:7: "));
    lines[block] = "0,B,0,0,0,0,0,small";
    CHECK_THAT(refused(lines), Contains("changed:7: "));
    lines[block - 1] = "0,P,0,0,1817,0,0,tiny";
    CHECK_THAT(refused(lines), Contains("changed:6: no list 'tiny'"));
}

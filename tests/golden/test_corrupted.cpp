/// One number changed in a file is found, at the row that has it.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>

#include "bench/golden/check.hpp"
#include "tests/golden/files.hpp"

using namespace kmemlab;
using namespace kmemlab::test;
using golden::check;

namespace {

/// The line with the number in one of its fields one higher.
std::string one_more(const std::string& line, std::size_t field) {
    auto fields = golden::fields_of(line);
    const std::string changed = std::to_string(*golden::parse_integer(fields.at(field)) + 1);
    fields[field] = changed;
    std::string text;
    for (const std::string_view f : fields) {
        if (!text.empty()) text += ',';
        text += f;
    }
    return text;
}

/// The row, from 1 on, at which the file differs once `line` (from 0 on) reads so.
std::optional<std::size_t> row_found(const golden::GoldenFile& file, std::size_t line, std::string changed) {
    auto lines = lines_of(file);
    REQUIRE(lines.at(line) != changed);
    lines[line] = std::move(changed);
    const golden::Verdict verdict = check(file_of(lines));
    if (!verdict.difference) return std::nullopt;
    return verdict.difference->row;
}

/// Three rows of those that begin with `beginning` after their operation's number: early, middle and late.
std::vector<std::size_t> three_rows(const golden::GoldenFile& file, std::string_view beginning) {
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < file.lines().size(); ++i) {
        const std::string_view line = file.lines()[i];
        const bool data = !line.empty() && line.front() != '#';
        if (data && (line.starts_with(beginning) || line.find(fmt::format(",{}", beginning)) < 7)) {
            rows.push_back(i);
        }
    }
    REQUIRE(rows.size() >= 3);
    return {rows[1], rows[rows.size() / 2], rows[rows.size() - 2]};
}

struct Kind {
    const char* file;
    const char* row;                  ///< beginning of the rows to corrupt
    std::vector<std::size_t> fields;  ///< each of them is changed, one at a time
};

}  // namespace

TEST_CASE("each number of a trace's rows matters", "[corrupted]") {
    const Kind kind = GENERATE(values<Kind>({
        {"linux-6.1-slub/slabtrace-192.csv.zst", "A,", {0, 2, 3, 4, 5, 6, 7, 8}},
        {"linux-6.1-slub/slabtrace-192.csv.zst", "F,", {0, 2, 3, 4, 5, 6, 7, 8}},
        {"linux-6.1-slub/slabtrace-192.csv.zst", "D,", {0, 2, 3, 4, 5, 6}},
        {"linux-6.1-slab/slabtrace-620.csv.zst", "A,", {0, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
        {"linux-6.1-slob/slabtrace-192.csv.zst", "F,", {0, 2, 3, 4, 5, 6}},
        {"linux-6.1-slub/bulktrace-64.csv.zst", "O,", {0, 2, 3, 7, 8}},
        {"linux-6.1-slab/bulktrace-256.csv.zst", "A,", {0, 2, 3, 4, 5, 6}},
        {"linux-6.1-smp-slub/slabtrace-192-pingpong.csv.zst", "A,", {0, 2, 3, 4, 5, 6, 7, 8, 9}},
        {"linux-6.1-smp-slab/slabtrace-192-random-8cpu.csv.zst", "F,", {0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
        {"linux-6.1-smp-slub/slabtrace-192-random.csv.zst", "K,", {0, 2}},
        {"linux-6.1-pages/buddytrace-all-pressure.csv.zst", "T,", {1, 3, 4, 5, 6, 7, 8}},
        {"linux-6.1-smp-pages/buddytrace-atomic-random-pressure-slub.csv.zst",
         "T,",
         {1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}},
        {"linux-6.1-smp-pages/buddytrace-all-random-slub.csv.zst", "E,FL,", {3, 4, 5, 6}},
        {"linux-6.1-smp-pages/buddytrace-all-random-slub.csv.zst", "E,NRFREE,", {3, 4}},
        {"linux-6.1-vmalloc/vmalloctrace.csv.zst", "T,", {1, 3, 4, 5, 6, 7}},
        {"linux-6.1-vmalloc/alignvm.csv.zst", "T,", {1, 3, 4, 5, 6, 7, 8}},
        {"linux-6.1-vmalloc/alignvm.csv.zst", "E,tree,", {2, 3, 5, 6, 7}},
        {"linux-6.1-smp-vmalloc/vmalloctrace-slub.csv.zst", "T,", {1, 3, 4, 5, 6, 7, 8}},
        {"linux-6.1-smp-vmalloc/stacktrace-slub.csv.zst", "T,", {1, 3, 4, 5, 14}},
        {"linux-6.1-slab/reap-64.csv.zst", "after,", {0, 2, 3, 4, 5, 6, 7, 8, 9}},
        {"linux-6.1-slab/reapsleep-256.csv.zst", "sample,", {0, 3, 5, 9}},
    }));
    const golden::GoldenFile file = shipped(kind.file);
    for (const std::size_t line : three_rows(file, kind.row)) {
        for (const std::size_t field : kind.fields) {
            INFO(kind.file << ":" << line + 1 << " field " << field << ": " << file.lines()[line]);
            CHECK(row_found(file, line, one_more(std::string{file.lines()[line]}, field)) == line + 1);
        }
    }
}

TEST_CASE("each answer of a table matters", "[corrupted]") {
    const Kind kind = GENERATE(values<Kind>({
        {"linux-6.1-slub/geometry-minobj16.csv.zst", "", {3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
        {"linux-6.1-smp-slub/geometry-8.csv.zst", "", {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}},
        {"linux-6.1-smp-slab/geometry-4.csv.zst", "", {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16}},
        {"linux-6.1-slob/geometry.csv.zst", "", {3, 4, 5}},
        {"linux-6.1-slub/kmalloc.csv.zst", "normal,", {3, 5}},
        {"linux-6.1-slab/kmalloc.csv.zst", "normal,", {3, 5}},
        {"linux-6.1-slob/kmalloc.csv.zst", "normal,", {3, 5}},
        {"linux-6.1-slub-debug/counts.csv", "", {2, 4, 5, 6, 7}},
        {"linux-5.15-slub/slabinfo-5.15-16cpu.csv", "kmalloc", {2, 3}},
        {"linux-6.18-slub/slub-6.18-2cpu.csv", "kmalloc", {2, 4, 5, 6, 7}},
    }));
    const golden::GoldenFile file = shipped(kind.file);
    for (const std::size_t line : three_rows(file, kind.row)) {
        for (const std::size_t field : kind.fields) {
            INFO(kind.file << ":" << line + 1 << " field " << field << ": " << file.lines()[line]);
            CHECK(row_found(file, line, one_more(std::string{file.lines()[line]}, field)) == line + 1);
        }
    }
}

TEST_CASE("a later rule excuses no other difference of its row", "[corrupted]") {
    const golden::GoldenFile file = shipped("linux-6.18-slub/slub-6.18-2cpu.csv");
    const auto lines = lines_of(file);
    const auto found = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
        return line.starts_with("vm_area_struct,");
    });
    REQUIRE(found != lines.end());
    const auto line = static_cast<std::size_t>(found - lines.begin());
    for (const std::size_t field : {2U, 4U, 5U, 6U, 7U}) {
        CHECK(row_found(file, line, one_more(*found, field)) == line + 1);
    }
}

TEST_CASE("the state that a trace begins with is compared with what was made of it", "[corrupted]") {
    const golden::GoldenFile info = shipped("linux-6.1-pages/buddytrace-all.csv.zst");
    const auto rows = three_rows(info, "S,NRFREE,");
    CHECK(row_found(info, rows[0], one_more(std::string{info.lines()[rows[0]]}, 3)) == rows[0] + 1);
    const golden::GoldenFile slob = shipped("linux-6.1-slob/slabtrace-100.csv.zst");
    const auto pages = three_rows(slob, "P,");
    CHECK(row_found(slob, pages[1], one_more(std::string{slob.lines()[pages[1]]}, 4)) == pages[1] + 1);
}

TEST_CASE("settings are compared with those computed", "[corrupted]") {
    const golden::GoldenFile file = shipped("linux-6.1-smp-pages/info-slub.csv.zst");
    auto lines = lines_of(file);
    for (auto& line : lines) {
        if (!line.starts_with("S,wmark,Normal,")) continue;
        line.replace(line.find("low="), 4, "low=1");
        const golden::Verdict verdict = check(file_of(lines));
        REQUIRE(verdict.difference);
        CHECK(verdict.difference->row == static_cast<std::size_t>(&line - lines.data()) + 1);
        CHECK(verdict.difference->expected == line);
    }
}

TEST_CASE("parameters that follow from others are compared", "[corrupted]") {
    const auto differs_with = [](const char* name, const std::string& from, const std::string& to) {
        auto lines = lines_of(shipped(name));
        std::size_t changed = 0;
        for (std::size_t i = 0; i < lines.size() && changed == 0; ++i) {
            const auto at = lines[i].find(from);
            if (at == std::string::npos) continue;
            lines[i].replace(at, from.size(), to);
            changed = i + 1;
        }
        REQUIRE(changed > 0);
        const golden::Verdict verdict = check(file_of(lines));
        return verdict.difference && verdict.difference->row == changed && verdict.difference->expected == to;
    };
    CHECK(differs_with("linux-6.1-slub/slabtrace-192.csv.zst", "min_partial=5", "min_partial=6"));
    CHECK(differs_with("linux-6.1-slab/slabtrace-192.csv.zst", "limit=120", "limit=121"));
    CHECK(differs_with("linux-6.1-slab/kmalloc.csv.zst", "KMALLOC_MIN_SIZE=32", "KMALLOC_MIN_SIZE=16"));
    CHECK(differs_with("linux-6.1-slab/reap-64.csv.zst", "num=64", "num=63"));
}

TEST_CASE("the elements of a report are compared, addresses and stack traces are not", "[corrupted]") {
    const golden::GoldenFile file = shipped("linux-6.1-slub-debug/byte50-FZPU.txt");
    const auto differs_at = [&](std::string_view from, std::string_view to) -> bool {
        auto lines = lines_of(file);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const auto at = lines[i].find(from);
            if (at == std::string::npos) continue;
            lines[i].replace(at, from.size(), to);
            const golden::Verdict verdict = check(file_of(lines));
            return verdict.difference && verdict.difference->row == i + 1;
        }
        FAIL("no line with " << from);
        return false;
    };
    CHECK(differs_at("Poison overwritten", "Redzone overwritten"));
    CHECK(differs_at("@offset=58", "@offset=59"));
    CHECK(differs_at("First byte 0x9a", "First byte 0x9b"));
    CHECK(differs_at("cpu=0 pid=1", "cpu=1 pid=1"));
    CHECK(differs_at("objects=25", "objects=24"));
    CHECK(differs_at("6b 6b 9a", "6b 6b 6b"));
    CHECK(differs_at("Restoring Poison", "Restoring"));
    CHECK_FALSE(differs_at("0x00000000609b703a-0x00000000609b703a", "0x00000000aaaaa03a-0x00000000aaaaa03a"));
    CHECK_FALSE(differs_at("do_corrupt+0xaf", "do_corrupt+0xb0"));
}

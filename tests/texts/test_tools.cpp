/// What people read these files with: slabtop of procps, and lines of awk.
#include <catch2/catch.hpp>
#include <numeric>

#include "tests/support/shell.hpp"
#include "tests/texts/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

/// What awk prints for `program` over a file of that content.
std::string awk(const std::string& program, const std::string& content) {
    const ScratchFolder folder;
    const Outcome outcome = run_shell("awk '" + program + "' " + folder.with("file", content));
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    return outcome.out;
}

/// The words of a line that slabtop printed, by the label before its colon.
std::vector<std::string> line_of(const std::string& text, const std::string& label) {
    for (const std::string& line : lines_in(text)) {
        if (words_in(line).size() > 1 && line.find(label) != std::string::npos)
            return words_in(line.substr(line.find(':') + 1));
    }
    FAIL("slabtop prints no line " << label);
    return {};
}

}  // namespace

TEMPLATE_TEST_CASE("slabtop shows our caches and sums", "", SlubModel, SheavesModel, SlabModel) {
    UsedMachine<TestType> machine;
    const std::string text = machine.text("slabinfo");
    const ScratchFolder folder;
    const Outcome outcome =
        run_shell("env LD_PRELOAD=" SLABINFO_REDIRECT " SLABINFO=" + folder.with("slabinfo", text) +
                  " slabtop -o -s o");
    INFO("slabtop is in Debian's package procps; it said: " << outcome.err);
    REQUIRE(outcome.status == 0);

    std::uint64_t active = 0;
    std::uint64_t objects = 0;
    std::uint64_t slabs = 0;
    std::vector<std::string> most;
    const auto rows = lines_in(text);
    for (std::size_t i = 2; i < rows.size(); ++i) {
        const auto words = words_in(rows[i]);
        active += number_in(words[1]);
        objects += number_in(words[2]);
        slabs += number_in(words[14]);
        if (most.empty() || number_in(words[2]) > number_in(most[2])) most = words;
    }
    const auto sums = line_of(outcome.out, "Active / Total Objects");
    CHECK(number_in(sums[0]) == active);
    CHECK(number_in(sums[2]) == objects);
    CHECK(number_in(line_of(outcome.out, "Active / Total Slabs")[2]) == slabs);
    CHECK(number_in(line_of(outcome.out, "Active / Total Caches")[2]) == rows.size() - 2);

    const auto lines = lines_in(outcome.out);
    const auto head = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
        return line.find("OBJS ACTIVE") != std::string::npos;
    });
    REQUIRE(head != lines.end());
    REQUIRE(head + 1 != lines.end());
    const auto first =
        words_in(*(head + 1));  // objects, active, use, size, slabs, objects a slab, memory, name
    REQUIRE(first.size() == 8);
    CHECK(first[0] == most[2]);
    CHECK(first[1] == most[1]);
    CHECK(first[4] == most[14]);
    CHECK(first[5] == most[4]);
    CHECK(number_in(first[6].substr(0, first[6].size() - 1)) == number_in(most[14]) * number_in(most[5]) * 4);
    CHECK(first[7] == most[0]);
}

TEMPLATE_TEST_CASE("awk sums slabinfo to the pages that slabs hold", "", SlubModel, SheavesModel, SlabModel) {
    UsedMachine<TestType> machine;
    const std::string sum = awk("NR > 2 { pages += $15 * $6 } END { print pages }", machine.text("slabinfo"));
    Arena& arena = machine.model.arena();
    std::uint64_t pages = 0;
    for (FrameIndex frame = 0; frame < arena.frames(); ++frame) {
        const PageState state = arena.page_at(frame).load_state();
        if (state.kind == PageKind::slab) pages += Order{state.order}.pages();
    }
    CHECK(sum == std::to_string(pages) + "\n");
}

TEST_CASE("awk finds the cache that holds most memory in slabinfo") {
    UsedMachine<SlubModel> machine;
    const std::string found =
        awk("NR > 2 && $3 * $4 > most { most = $3 * $4; name = $1 } END { print name, most }",
            machine.text("slabinfo"));
    std::uint64_t most = 0;
    for (const auto& cache : machine.model.objects().caches())
        most = std::max<std::uint64_t>(most, cache->total_objects * cache->geometry.size);
    CHECK(words_in(found).at(1) == std::to_string(most));
}

TEST_CASE("awk sums buddyinfo to the free pages of the zones' lists") {
    UsedMachine<SlubModel> machine;
    const std::string sum = awk("{ for (i = 5; i <= NF; ++i) pages += $i * 2 ^ (i - 5) } END { print pages }",
                                machine.text("buddyinfo"));
    const auto blocks = *machine.model.free_blocks();
    std::uint64_t pages = 0;
    for (Order order; order <= max_order; ++order) pages += blocks[order.value()] << order.value();
    CHECK(sum == std::to_string(pages) + "\n");
}

TEST_CASE("awk reads marks and managed pages of a zone out of zoneinfo") {
    UsedMachine<SlubModel> machine;
    const std::string found =
        awk("/^Node/ { zone = $4 } zone == \"DMA32\" && ($1 == \"min\" || $1 == \"managed\") { print $2 }",
            machine.text("zoneinfo"));
    for (const auto& zone : machine.model.buddy().zones()) {
        if (to_string(zone->type()) != "DMA32") continue;
        CHECK(found ==
              std::to_string(zone->settings().marks.min) + "\n" + std::to_string(zone->managed()) + "\n");
    }
}

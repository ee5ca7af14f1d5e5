/// buddyinfo, pagetypeinfo, zoneinfo: the kernel's columns, and in them the zones' own state.
#include <catch2/catch.hpp>
#include <map>

#include "tests/texts/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

// Lines that Linux 6.18 printed.
const std::string kernel_buddyinfo =
    "Node 0, zone   Normal    119   1668   1582   1171    698    647    305     85     39    160   2065 ";
const std::string kernel_type_head =
    "Free pages count per migrate type at order       0      1      2      3      4      5      6      7     "
    " 8      "
    "9     10 ";
const std::string kernel_type_row =
    "Node    0, zone   Normal, type  Reclaimable      1    716    614    514    272    155     69     17     "
    " 2      "
    "0      0 ";
const std::string kernel_blocks_head =
    "Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic      Isolate ";
const std::string kernel_blocks_row =
    "Node 0, zone   Normal           98         4692          138            0            0 ";
const std::vector<std::string> kernel_zoneinfo{"  pages free     3840",
                                               "        boost    0",
                                               "        min      19",
                                               "        low      23",
                                               "        high     27",
                                               "        spanned  4095",
                                               "        present  3998",
                                               "        managed  3840",
                                               "        cma      0",
                                               "        protection: (0, 3019, 12875, 12875, 12875)",
                                               "      nr_free_pages 3840",
                                               "      nr_zone_inactive_anon 0",
                                               "      nr_mlock     0",
                                               "      nr_zspages   0",
                                               "      nr_free_cma  0",
                                               "  pagesets",
                                               "    cpu: 0",
                                               "  vm stats threshold: 4",
                                               "  node_unreclaimable:  0",
                                               "  start_pfn:           1"};

using Machine = UsedMachine<SlubModel>;

/// The text before the first digit of the value: a label and its blanks.
std::string label_of(const std::string& line) {
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(0, line.find_first_not_of(' ', colon + 1));
    return line.substr(0, line.find_last_of(' ') + 1);
}

struct ParsedZone {
    std::map<std::string, std::uint64_t> values;
    std::vector<std::uint64_t> protection;
    std::vector<std::map<std::string, std::uint64_t>> page_sets;
};

std::map<std::string, ParsedZone> parse_zoneinfo(const std::string& text) {
    std::map<std::string, ParsedZone> zones;
    ParsedZone* zone = nullptr;
    for (const std::string& line : lines_in(text)) {
        auto words = words_in(line);
        if (words[0] == "Node") {
            REQUIRE(words.size() == 4);
            zone = &zones[words[3]];
            continue;
        }
        REQUIRE(zone != nullptr);
        if (words[0] == "protection:") {
            for (std::size_t i = 1; i < words.size(); ++i) {
                std::string& word = words[i];
                std::erase_if(word, [](char c) { return c == '(' || c == ')' || c == ','; });
                zone->protection.push_back(number_in(word));
            }
            continue;
        }
        if (words[0] == "pagesets" || words[0] == "per-node") continue;
        if (words[0] == "cpu:") zone->page_sets.emplace_back();
        const std::string name = words[words.size() - 2];
        const bool of_cpu = words.size() == 2
                                ? name == "cpu:" || name == "count:" || name == "high:" || name == "batch:"
                                : name == "threshold:";
        (of_cpu ? zone->page_sets.back() : zone->values)[name] = number_in(words.back());
    }
    return zones;
}

}  // namespace

TEST_CASE("buddyinfo keeps the kernel's columns, and lists the blocks of every zone with memory") {
    Machine machine;
    const auto lines = lines_in(machine.text("buddyinfo"));
    std::size_t at = 0;
    for (const auto& zone : machine.model.buddy().zones()) {
        if (!zone->populated()) continue;
        REQUIRE(at < lines.size());
        const std::string& line = lines[at++];
        CHECK(word_ends(line) == word_ends(kernel_buddyinfo));
        CHECK(line.size() == kernel_buddyinfo.size());
        const auto words = words_in(line);
        CHECK(words[3] == to_string(zone->type()));
        for (Order order; order <= max_order; ++order)
            CHECK(number_in(words[4 + order.value()]) == zone->free_area(order).blocks);
    }
    CHECK(at == lines.size());
    CHECK(at >= 2);
}

TEST_CASE("pagetypeinfo keeps the kernel's columns, and its lists add up to buddyinfo's") {
    Machine machine;
    const auto lines = lines_in(machine.text("pagetypeinfo"));
    CHECK(lines[0] == "Page block order: 9");
    CHECK(lines[1] == "Pages per block:  512");
    CHECK(lines[2].empty());
    CHECK(lines[3] == kernel_type_head);
    std::map<std::string, std::array<std::uint64_t, order_count>> sums;
    std::size_t i = 4;
    for (; !lines[i].empty(); ++i) {
        CHECK(word_ends(lines[i]) == word_ends(kernel_type_row));
        auto words = words_in(lines[i]);
        for (std::size_t order = 0; order < order_count; ++order)
            sums[words[3]][order] += number_in(words[6 + order]);
    }
    for (const std::string& line : lines_in(machine.text("buddyinfo"))) {
        const auto words = words_in(line);
        for (std::size_t order = 0; order < order_count; ++order)
            CHECK(sums.at(words[3] + ",")[order] == number_in(words[4 + order]));
    }
    CHECK_THAT(kernel_blocks_head, Catch::StartsWith(lines[++i]));  // no isolation here
    const auto kernel_ends = word_ends(kernel_blocks_row);
    for (const auto& zone : machine.model.buddy().zones()) {
        if (!zone->populated()) continue;
        const std::string& line = lines.at(++i);
        CHECK(word_ends(line) == std::vector<std::size_t>{kernel_ends.begin(), kernel_ends.end() - 1});
        const auto words = words_in(line);
        std::uint64_t sum = 0;
        for (std::size_t type = 0; type < migrate_types; ++type) {
            CHECK(number_in(words[4 + type]) == zone->pageblocks_by_type()[type]);
            sum += number_in(words[4 + type]);
        }
        CHECK(sum == zone->present() / zone->pageblock_pages());
    }
    CHECK(i + 1 == lines.size());
}

TEST_CASE("zoneinfo has the kernel's labels where the kernel has them") {
    const Machine machine;
    std::vector<std::string> labels;
    for (const std::string& line : lines_in(machine.text("zoneinfo"))) labels.push_back(label_of(line));
    auto from = labels.begin();
    for (const std::string& line : kernel_zoneinfo) {
        CAPTURE(line);
        from = std::find(from, labels.end(), label_of(line));  // in the same order
        REQUIRE(from != labels.end());
    }
}

TEST_CASE("every number of zoneinfo is that of the zone") {
    Machine machine;
    const auto zones = parse_zoneinfo(machine.text("zoneinfo"));
    const auto configured = machine.model.buddy().zones();
    REQUIRE(zones.size() == configured.size());
    for (const auto& zone : configured) {
        CAPTURE(to_string(zone->type()));
        const ParsedZone& parsed = zones.at(std::string{to_string(zone->type())});
        const auto& marks = zone->settings().marks;
        const std::map<std::string, std::uint64_t> expected{
            {"free", static_cast<std::uint64_t>(zone->free_pages())},
            {"boost", zone->boost()},
            {"min", marks.min + zone->boost()},
            {"low", marks.low + zone->boost()},
            {"high", marks.high + zone->boost()},
            {"spanned", zone->span().frames()},
            {"present", zone->present()},
            {"managed", zone->managed()},
            {"cma", 0}};
        for (const auto& [name, value] : expected) {
            CAPTURE(name);
            CHECK(parsed.values.at(name) == value);
        }
        REQUIRE(parsed.protection.size() == configured.size());
        for (std::size_t i = 0; i < configured.size(); ++i)
            CHECK(parsed.protection[i] == zone->settings().lowmem_reserve[i]);
        if (!zone->populated()) {
            CHECK(parsed.page_sets.empty());
            continue;
        }
        CHECK(parsed.values.at("nr_free_pages") == parsed.values.at("free"));
        CHECK(parsed.values.at("start_pfn:") == zone->span().start.value());
        REQUIRE(parsed.page_sets.size() == Machine::cpus);
        for (CpuId cpu; cpu.value() < Machine::cpus; ++cpu) {
            const PerCpuPages& pcp = zone->per_cpu(cpu);
            const std::map<std::string, std::uint64_t> of_cpu{
                {"cpu:", cpu.value()},
                {"count:", static_cast<std::uint64_t>(pcp.count())},
                {"high:", static_cast<std::uint64_t>(pcp.high)},
                {"batch:", static_cast<std::uint64_t>(pcp.batch)},
                {"threshold:", static_cast<std::uint64_t>(zone->counter_threshold())}};
            CHECK(parsed.page_sets[cpu.value()] == of_cpu);
        }
    }
}

TEST_CASE("the slab pages that zoneinfo counts are those that slabinfo lists") {
    Machine machine;
    std::uint64_t listed = 0;
    const auto lines = lines_in(machine.text("slabinfo"));
    for (std::size_t i = 2; i < lines.size(); ++i) {
        const auto words = words_in(lines[i]);
        listed += number_in(words[14]) * number_in(words[5]);
    }
    CHECK(parse_zoneinfo(machine.text("zoneinfo")).at("DMA").values.at("nr_slab_unreclaimable") == listed);
    CHECK(listed > 100);
}

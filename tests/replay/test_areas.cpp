// vmalloc's events, replayed by vmalloc with one tree and with nodes.
#include <catch2/catch.hpp>

#include <optional>
#include <random>

#include "allocators/contract/vmalloc_model.hpp"
#include "bench/replay/replay.hpp"
#include "bench/replay/report.hpp"
#include "bench/trace/byte_stream.hpp"
#include "bench/trace/text.hpp"
#include "tests/replay/replay_support.hpp"

using namespace kmemlab;
using namespace kmemlab::replay;
using Catch::Contains;

namespace {

/// Areas of several sizes and alignments on two CPUs, with a recorded purge now and then.
trace::Trace random_areas(std::size_t operations) {
    TraceBuilder builder{"areas"};
    std::mt19937 random{5};
    const auto pick = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };
    constexpr std::uint32_t most = 100;
    std::vector<std::uint32_t> pages(most, 0);
    for (std::size_t i = 0; i < operations; ++i) {
        const std::uint32_t area = pick(most);
        if (pick(200) == 0) {
            builder.purge(1);
        } else if (pages[area] > 0) {
            builder.area_free(area, pages[area], pick(2));
            pages[area] = 0;
        } else {
            pages[area] = 1 + pick(12);
            builder.area_alloc(area, pages[area], static_cast<std::uint8_t>(pick(3)));
        }
    }
    return builder.trace();
}

Options options_for(std::vector<Setting> more = {}) {
    Options options;
    options.allocators = {"vmalloc", "vmalloc-nodes"};
    options.repetitions = 1;
    options.settings = {{"machine.arena", "64M"}};
    for (Setting& setting : more) options.settings.push_back(std::move(setting));
    options.observe.snapshot_at_end = true;
    return options;
}

std::uint64_t count_of(const PathCounts& counts, Path path) {
    return counts[static_cast<std::size_t>(path)];
}

const Text* find(const std::vector<Text>& texts, std::string_view name) {
    for (const Text& text : texts) {
        if (text.name == name) return &text;
    }
    return nullptr;
}

/// The areas of a recording, as the kernel printed them.
std::vector<trace::Record> areas_of(const std::string& file) {
    trace::ByteStream stream{file};
    std::string text;
    for (std::string_view chunk = stream.next(); !chunk.empty(); chunk = stream.next()) text += chunk;
    std::vector<trace::Record> areas;
    trace::Record record;
    for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
        const std::string_view line = std::string_view{text}.substr(begin, end - begin);
        if (line.find("alloc_vmap_area:") == std::string_view::npos) continue;
        if (trace::parse_line(line, record).kind == trace::LineKind::record) areas.push_back(record);
    }
    return areas;
}

}  // namespace

TEST_CASE("areas are mapped, lie where they were asked to, and keep every law") {
    const trace::Trace trace = random_areas(4000);
    const Result result = replay::replay(trace, options_for({{"vmalloc.lazy_max_pages", "300"}}));
    REQUIRE(result.allocators.size() == 2);
    CHECK(result.not_replayed == 0);
    for (const AllocatorResult& allocator : result.allocators) {
        const Observation& seen = allocator.observed;
        CAPTURE(allocator.name, seen.violation.value_or("none"));
        CHECK(allocator.part == Part::areas);
        CHECK_FALSE(seen.violation);
        CHECK(seen.failures == 0);
        CHECK(seen.checks == 5);
        CHECK(count_of(seen.frees, Path::flush) > 0);
        CHECK(result.measured_of(allocator.name).latency.by_kind().at({trace::Kind::vmap_purge}).count() > 0);
        CHECK(find(seen.snapshots.at(0).texts, "vmallocinfo")->content.find(" pages=") != std::string::npos);
    }
    CHECK(count_of(result.allocators[0].observed.allocations, Path::fast) == 0);
    CHECK(count_of(result.allocators[1].observed.allocations, Path::fast) > 500);  // out of pools
}

TEST_CASE("observing areas twice gives the same paths, addresses and texts") {
    const trace::Trace trace = random_areas(3000);
    Options options = options_for();
    options.repetitions = 0;
    const Result first = replay::replay(trace, options);
    const Result second = replay::replay(trace, options);
    for (std::size_t i = 0; i < 2; ++i) {
        const Observation& a = first.allocators[i].observed;
        const Observation& b = second.allocators[i].observed;
        CHECK(a.allocations == b.allocations);
        CHECK(a.frees == b.frees);
        REQUIRE(a.address_hash);
        CHECK(a.address_hash == b.address_hash);
        const std::string& info = find(a.snapshots.at(0).texts, "vmallocinfo")->content;
        CHECK_THAT(info, Catch::StartsWith("0xffffc90000"));
        CHECK(info == find(b.snapshots.at(0).texts, "vmallocinfo")->content);
    }
}

TEST_CASE("a process without mappings left fails requests, says why, and goes on") {
    TraceBuilder builder;
    for (std::uint32_t i = 0; i < 100; ++i) builder.area_alloc(i, 3);
    for (std::uint32_t i = 0; i < 100; ++i) builder.area_free(i, 3);
    const Result result = replay::replay(builder.trace(), options_for({{"mmu.mapping_limit", "60"}}));
    for (const AllocatorResult& allocator : result.allocators) {
        const Observation& seen = allocator.observed;
        CAPTURE(allocator.name, seen.violation.value_or("none"));
        CHECK_FALSE(seen.violation);
        CHECK(seen.failures > 0);
        CHECK(seen.frees_skipped == seen.failures);
        CHECK_THAT(seen.failure_reason, Contains("may have 60") && Contains("vm.max_map_count"));
    }
    CHECK_THAT(to_text(result, builder.trace()), Contains(result.allocators[0].observed.failure_reason));
}

TEST_CASE("mappings that wait for a purge are had again before a request fails") {
    TraceBuilder builder;
    for (int round = 0; round < 50; ++round) builder.area_alloc(0, 3).area_free(0, 3);
    const Result result = replay::replay(builder.trace(), options_for({{"mmu.mapping_limit", "20"}}));
    for (const AllocatorResult& allocator : result.allocators) CHECK(allocator.observed.failures == 0);
}

TEST_CASE("the areas of a recorded fork storm lie where vmalloc puts them, counted from the first") {
    const std::vector<trace::Record> recorded = areas_of("bench/traces/forkstorm.trace.zst");
    REQUIRE(recorded.size() == 365);
    VmallocOfOneTree model{VmallocOfOneTree::Config{}};
    std::optional<std::uintptr_t> first;
    std::size_t same = 0;
    for (const trace::Record& area : recorded) {
        void* const p =
            model.allocate({.size = area.bytes_req - page_size, .align = area.align, .cpu = CpuId{area.cpu}});
        const auto address = reinterpret_cast<std::uintptr_t>(p);
        if (!first) first = address;
        same += address - *first == area.address - recorded[0].address ? 1 : 0;
    }
    CHECK(same == recorded.size());
}

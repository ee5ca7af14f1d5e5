/// The patterns: those of the recordings, and what they say of CPUs.
#include <catch2/catch.hpp>
#include <map>

#include "allocators/base/check.hpp"
#include "bench/golden/golden_file.hpp"
#include "bench/scale/pattern.hpp"

using namespace kmemlab;
using namespace kmemlab::scale;

namespace {

/// The operations of a recording: `op,kind,cpu,id,...` with kind A or F.
std::vector<Step> recorded(const golden::GoldenFile& file) {
    std::vector<Step> steps;
    for (std::size_t i = 0; i < file.lines().size(); ++i) {
        const auto fields = golden::fields_of(file.lines()[i]);
        if (fields.size() < 4 || (fields[1] != "A" && fields[1] != "F")) continue;
        const CpuId cpu{static_cast<unsigned>(file.number_at(i, fields[2], max_cpus))};
        steps.push_back(
            {fields[1] == "A", cpu, static_cast<std::uint32_t>(file.number_at(i, fields[3], 1U << 31))});
    }
    return steps;
}

/// By object: on which CPU it is allocated and freed.
struct Life {
    unsigned born = 0;
    unsigned dies = 0;
};
std::map<std::uint32_t, Life> lives_of(Pattern pattern, unsigned cpus) {
    std::map<std::uint32_t, Life> lives;
    for (const Step& step : steps_of(pattern, cpus, 2000, 1))
        (step.allocates ? lives[step.object].born : lives[step.object].dies) = step.cpu.value();
    return lives;
}

}  // namespace

TEST_CASE("a pattern makes the operations of its recording") {
    const auto [file, pattern, cpus] = GENERATE(table<const char*, Pattern, unsigned>({
        {"tests/golden/linux-6.1-smp-slub/slabtrace-192-prodcons.csv.zst", Pattern::prodcons, 2},
        {"tests/golden/linux-6.1-smp-slub/slabtrace-192-local.csv.zst", Pattern::local, 4},
    }));
    CAPTURE(file);
    const std::vector<Step> kernel = recorded(golden::GoldenFile::read(file));
    const std::vector<Step> ours = steps_of(pattern, cpus, 20000, 0x1234567);
    REQUIRE(kernel.size() >= 20000);
    REQUIRE(ours.size() == kernel.size());
    for (std::size_t i = 0; i < kernel.size(); ++i) {
        INFO("operation " << i);
        REQUIRE(ours[i].allocates == kernel[i].allocates);
        REQUIRE(ours[i].cpu == kernel[i].cpu);
        REQUIRE(ours[i].object == kernel[i].object);
    }
}

TEST_CASE("every object is allocated once and freed once, later") {
    const Pattern pattern = GENERATE(from_range(all_patterns));
    std::map<std::uint32_t, int> state;  // 1 lives, 2 gone
    for (const Step& step : steps_of(pattern, 5, 1000, 7)) {
        REQUIRE(++state[step.object] == (step.allocates ? 1 : 2));
    }
    for (const auto& [object, reached] : state) CHECK(reached == 2);
}

TEST_CASE("local frees where it allocated, on every CPU") {
    std::map<unsigned, int> used;
    for (const auto& [object, life] : lives_of(Pattern::local, 6)) {
        CHECK(life.born == life.dies);
        ++used[life.born];
    }
    CHECK(used.size() == 6);
}

TEST_CASE("prodcons allocates on even CPUs and frees on the odd one beside") {
    for (const auto& [object, life] : lives_of(Pattern::prodcons, 6)) {
        CHECK(life.born % 2 == 0);
        CHECK(life.dies == life.born + 1);
    }
}

TEST_CASE("pingpong stays within a pair, and both of its sides allocate and free") {
    std::map<std::pair<unsigned, unsigned>, int> ways;
    for (const auto& [object, life] : lives_of(Pattern::pingpong, 4)) {
        CHECK(life.born / 2 == life.dies / 2);
        ++ways[{life.born, life.dies}];
    }
    CHECK(ways.size() == 8);  // from either side to either, in two pairs
}

TEST_CASE("on one CPU all patterns are the same, and an odd CPU out is its own partner") {
    const auto local = steps_of(Pattern::local, 1, 1000, 3);
    for (const Pattern pattern : {Pattern::prodcons, Pattern::pingpong}) {
        const auto alone = steps_of(pattern, 1, 1000, 3);
        REQUIRE(alone.size() == local.size());
        for (std::size_t i = 0; i < alone.size(); ++i) CHECK(alone[i].object == local[i].object);
        for (const auto& [object, life] : lives_of(pattern, 3)) {
            CHECK(life.born < 3);
            if (life.born == 2) CHECK(life.dies == 2);
        }
    }
}

TEST_CASE("a pattern that does not exist is refused with the names of those that do") {
    CHECK(pattern_of("prodcons") == Pattern::prodcons);
    CHECK_THROWS_WITH(pattern_of("random"), "no pattern 'random'; there are: local, prodcons, pingpong");
}

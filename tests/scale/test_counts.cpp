/// Counts of runs small enough to be counted by hand: 384 objects of 64 bytes, 64 in a slab of one page, on
/// two CPUs. Where a number comes from is told beside it, by the rules of docs/kernel-spec.
#include <algorithm>
#include <catch2/catch.hpp>

#include "bench/scale/report.hpp"
#include "bench/scale/scale.hpp"
#include "tests/support/documentation.hpp"

using namespace kmemlab;
using namespace kmemlab::scale;
using namespace kmemlab::test;

namespace {

constexpr std::uint64_t objects = 384;
constexpr std::size_t size = 64;
constexpr CpuId cpu0{0};
constexpr CpuId cpu1{1};

std::vector<Step> allocate_all(CpuId cpu) {
    std::vector<Step> steps;
    for (std::uint32_t i = 0; i < objects; ++i) steps.push_back({true, cpu, i});
    return steps;
}
void free_all(std::vector<Step>& steps, CpuId cpu) {
    for (std::uint32_t i = 0; i < objects; ++i) steps.push_back({false, cpu, i});
}
/// One CPU allocates all, another frees all, in the same order.
std::vector<Step> handed_over() {
    auto steps = allocate_all(cpu0);
    free_all(steps, cpu1);
    return steps;
}

Options small() {
    Options options;
    options.allocators = allocator_names();
    options.patterns = {all_patterns.begin(), all_patterns.end()};
    options.cpus = {1, 2, 5};
    options.operations_per_cpu = 3000;
    return options;
}

}  // namespace

TEST_CASE("slub, objects freed on another CPU: a slab goes to the partial list of the CPU that frees") {
    const Row row = count("slub", handed_over(), 2, size);
    CHECK(row.operations == 2 * objects);
    CHECK(row.allocated_by(Path::new_slab) == 6);  // SLUB-24, the first of each slab
    CHECK(row.allocated_by(Path::fast) == objects - 6);
    CHECK(row.traffic.refills == 6);
    CHECK(row.allocation_node_locks ==
          0);  // the node's list is empty, which is seen without its lock (SLUB-23)
    CHECK(row.remote_frees == objects);
    CHECK(row.freed_by(Path::fast) == 0);         // never the slab of CPU 1
    CHECK(row.freed_by(Path::cpu_partial) == 5);  // SLUB-33, each slab once, but the one that CPU 0 has
    CHECK(row.freed_by(Path::slab) == objects - 5);
    CHECK(row.traffic.flushes ==
          1);  // the fifth finds the list full: |2*120/64| rounded up is 4 (SLUB-6, 36)
    CHECK(row.free_node_locks == 1);  // for that
}

TEST_CASE("slab, objects freed on another CPU: batches go to the shared array") {
    const Row row = count("slab", handed_over(), 2, size);
    // 16 for an array never touched (SLAB-11) and the other 48, then 60 and 4 of each slab.
    CHECK(row.traffic.refills == 12);
    CHECK(row.allocated_by(Path::new_slab) == 6);
    CHECK(row.allocated_by(Path::refill) == 6);
    CHECK(row.allocated_by(Path::fast) == objects - 12);
    CHECK(row.allocation_node_locks == 12);
    CHECK(row.remote_frees == objects);
    // An array of 120 is full at the 121st free, and at each 60th after it (SLAB-31): 121, 181, ... 361.
    CHECK(row.traffic.flushes == 5);
    CHECK(row.freed_by(Path::shared) == 5);  // 300 find room among 480 (SLAB-32)
    CHECK(row.shared_batches() == 5);
    CHECK(row.freed_by(Path::fast) == objects - 5);
    CHECK(row.free_node_locks == 5);
}

TEST_CASE("slob takes its one lock for every operation, and once more for a new page") {
    const std::vector<Setting> settings{{"slob.track", "0"}};  // the ledger of debug builds locks once more
    const Row row = count("slob", handed_over(), 2, size, settings);
    CHECK(row.allocation_node_locks == objects + 6);
    CHECK(row.free_node_locks == objects);
    CHECK(row.allocated_by(Path::fast) + row.freed_by(Path::fast) == 0);
    CHECK(row.freed_by(Path::discard) == 6);
    CHECK(row.traffic.refills + row.traffic.flushes == 0);
}

TEST_CASE("slub, back and forth: what CPU 1 freed serves CPU 1, and CPU 0 no more") {
    auto steps = handed_over();
    for (std::uint32_t i = 0; i < 64; ++i)
        steps.push_back({true, cpu1, static_cast<std::uint32_t>(objects) + i});
    const Row row = count("slub", steps, 2, size);
    CHECK(row.allocated_by(Path::cpu_partial) == 1);  // SLUB-22: the slab left on its list, 64 objects
    CHECK(row.traffic.refills == 7);
    CHECK(row.allocated_by(Path::fast) == objects - 6 + 63);
}

TEST_CASE("slab, back and forth: CPU 1 has what it freed, then takes the shared array's newest batch") {
    auto steps = handed_over();
    // 384 freed less 300 flushed: 84 are in the array of CPU 1.
    for (std::uint32_t i = 0; i < 85; ++i)
        steps.push_back({true, cpu1, static_cast<std::uint32_t>(objects) + i});
    const Row row = count("slab", steps, 2, size);
    CHECK(row.traffic.refills == 13);
    CHECK(row.allocated_by(Path::shared) == 1);  // SLAB-12
    CHECK(row.shared_batches() == 6);
}

TEST_CASE(
    "slub-sheaves: a producer is refilled, and a consumer flushes, once in 60 operations of small objects") {
    const auto steps = steps_of(Pattern::prodcons, 2, 60000, 1);
    const auto allocations = static_cast<double>(steps.size()) / 2;
    const Row row = count("slub-sheaves", steps, 2, size);
    CHECK(60 * static_cast<double>(row.traffic.refills) == Approx(allocations).epsilon(0.01));  // SHEAF-1
    CHECK(60 * static_cast<double>(row.traffic.flushes) == Approx(allocations).epsilon(0.01));
    CHECK(row.shared_batches() > row.traffic.refills);  // most go through the barn, on either side
}

TEST_CASE("a free where the object was allocated is not remote") {
    auto steps = allocate_all(cpu1);
    free_all(steps, cpu1);
    for (const std::string& name : allocator_names()) CHECK(count(name, steps, 2, size).remote_frees == 0);
}

TEST_CASE("pages are taken under the zone's lock in batches") {
    CHECK(count("slub", handed_over(), 2, size).zone_locks == 1);  // 6 pages of one batch (BUDDY-53)
}

TEST_CASE("every object allocator of the registry runs") {
    const auto names = allocator_names();
    for (const char* name : {"slub", "slub-sheaves", "slab", "slob"})
        CHECK(std::find(names.begin(), names.end(), name) != names.end());
}

TEST_CASE("a run has a row for each pattern, allocator and number of CPUs, and breaks no law") {
    const Options options = small();
    const Result result = run(options);
    REQUIRE(result.rows.size() == 3 * options.allocators.size() * 3);
    for (const Row& row : result.rows) {
        CAPTURE(row.allocator, row.cpus, to_string(row.pattern));
        CHECK_FALSE(row.violation);
        std::uint64_t counted = 0;
        for (std::size_t path = 0; path < path_count; ++path)
            counted += row.allocations[path] + row.frees[path];
        CHECK(counted == row.operations);
        CHECK(row.operations >= std::uint64_t{3000} * row.cpus);
        if (row.cpus == 1 || row.pattern == Pattern::local) CHECK(row.remote_frees == 0);
    }
    CHECK_FALSE(result.found_violation());
}

TEST_CASE("two runs give the same rows, another seed gives others") {
    const auto rows = [](std::uint64_t seed) {
        Options options = small();
        options.seed = seed;
        return to_json(run(options), "kmemlab scale")["scale"]["rows"].dump();
    };
    const std::string first = rows(5);
    CHECK(first == rows(5));
    CHECK(first != rows(6));
}

TEST_CASE("allocations that got nothing are counted, and their frees left out") {
    Options options = small();
    options.allocators = {"slub"};
    options.settings = {{"machine.arena", "1M"}};
    options.size = 4096;
    const Result result = run(options);
    const Row& row = result.rows.front();
    CHECK(row.allocated_by(Path::failed) > 0);
    CHECK_THAT(to_text(result), Catch::Contains("allocations got nothing"));
    CHECK_FALSE(row.violation);
}

TEST_CASE("the result file of scale has the members that docs/results.md names, and no others") {
    const auto tables = documented_tables("scale");
    REQUIRE(tables.size() == 2);
    const Json json = to_json(run(small()), "kmemlab scale");
    CHECK(members(json) == Names{"context", "benchmarks", "scale"});
    CHECK(members(json["scale"]) == tables[0]);
    for (const Json& row : json["scale"]["rows"]) CHECK(members(row) == tables[1]);
    CHECK_FALSE(json["context"]["tunables"].contains("machine.cpus"));
}

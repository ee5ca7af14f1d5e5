// The rows do what they say, and count the same in every run. No time decides.
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include "bench/mapping/mapping.hpp"

using namespace kmemlab;
using namespace kmemlab::mapping;

namespace {

Setup small_setup() {
    Setup setup;
    setup.machine.machine.arena = std::size_t{256} << 20;
    return setup;
}

/// The counts of each row that the filter finds, each on a fresh machine.
std::vector<std::pair<std::string, Counts>> counts_of(const std::string& filter) {
    const Contests contests = all_contests(small_setup());
    const auto wanted = names(contests, filter, "mapping");
    std::vector<std::pair<std::string, Counts>> result;
    for (const auto& contest : contests) {
        if (std::find(wanted.begin(), wanted.end(), contest->name()) != wanted.end()) {
            result.emplace_back(contest->name(), contest->counts());
        }
    }
    return result;
}

std::uint64_t count(const Counts& counts, const std::string& name) {
    const auto found =
        std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == name; });
    REQUIRE(found != counts.end());
    return found->second;
}

Counts counts_of_one(const std::string& name) {
    const auto all = counts_of("^" + name + "$");
    REQUIRE(all.size() == 1);
    return all[0].second;
}

}  // namespace

TEST_CASE("names of rows are distinct, and those of an MMU that is not asked for are not there") {
    std::set<std::string> seen;
    for (const auto& contest : all_contests(small_setup())) CHECK(seen.insert(contest->name()).second);
    Setup setup = small_setup();
    setup.host = false;
    for (const auto& contest : all_contests(setup)) {
        CAPTURE(contest->name());
        CHECK(contest->name().find("/host") == std::string::npos);
    }
}

TEST_CASE("a few of each kind of rows verify themselves") {
    const auto* filter =
        "^(vmalloc|vmap|vm_map_ram|map-only|first-touch|populate|zeroing)/(4096|4194304)/|"
        "^shootdown/34/|^access/(16|181)/|_test/(1|5)/|^areas/1000/";
    const Contests contests = all_contests(small_setup());
    const auto wanted = names(contests, filter, "mapping");
    CHECK(wanted.size() > 50);
    for (const auto& contest : contests) {
        if (std::find(wanted.begin(), wanted.end(), contest->name()) == wanted.end()) continue;
        CAPTURE(contest->name());
        CHECK(contest->verify() == "");
    }
}

TEST_CASE("counts of the soft MMU are the same in every run") {
    const auto* filter =
        "^(vmalloc|vmap|vm_map_ram)/16384/soft|^access/(16|1024|8192)/soft|soft-cpus16$|^areas/1000/";
    CHECK(counts_of(filter) == counts_of(filter));
}

TEST_CASE("an area of frames that lie side by side is one mapping; scattered, one a page") {
    const Counts together = counts_of_one("vmalloc/65536/host");
    CHECK(count(together, "map_calls") == count(together, "units"));
    CHECK(count(together, "unmap_calls") == 1);
    const Counts apart = counts_of_one("vmalloc/65536/host-scattered");
    CHECK(count(apart, "map_calls") == 16 * count(apart, "units"));
    const Counts eager = counts_of_one("vmalloc/65536/host-eager");
    CHECK(count(eager, "unmap_calls") == count(eager, "units"));
}

TEST_CASE("a flush interrupts every other CPU once, and empties TLBs above 33 pages") {
    for (const auto& [name, above] : {std::pair{"33", false}, std::pair{"34", true}}) {
        const Counts counts = counts_of_one(std::string{"shootdown/"} + name + "/soft-cpus16");
        const std::uint64_t units = count(counts, "units");
        CHECK(count(counts, "ipis") == 15 * units);
        CHECK(count(counts, "full_flushes") == (above ? units : 0));
        CHECK(count(counts, "emptied_tlbs") == (above ? 16 * units : 0));
        CHECK(count(counts, "flushed_pages") == (above ? 0 : 33 * 16 * units));
    }
}

TEST_CASE("pages that the first level of the TLB holds hit it, and those that none holds walk") {
    const Counts few = counts_of_one("access/16/soft-4k");
    CHECK(count(few, "l1_hits") == count(few, "units"));
    const Counts many = counts_of_one("access/8192/soft-4k");
    CHECK(count(many, "walks") > count(many, "units") * 3 / 4);
    const Counts huge = counts_of_one("access/8192/soft-2m");
    CHECK(count(huge, "l1_hits") == count(huge, "units"));
}

/// `kmemlab mapping` as a user runs it.
#include <catch2/catch.hpp>
#include <string>

#include "bench/measure/environment.hpp"
#include "tests/cli/program.hpp"

using namespace kmemlab;
using namespace kmemlab::cli_test;
using Catch::Contains;

TEST_CASE("mapping prints a table and its bars, and writes the same rows") {
    const ScratchFolder folder;
    const std::string file = folder.file("m.json");
    const Outcome outcome = run_kmemlab(
        "mapping --filter '^vmalloc/16384/(host|mmap|bare|soft)$' --repetitions 2 --milliseconds 0.1 --set "
        "vmalloc.lazy_max_pages=100 --json " +
        file);
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.err.empty());
    CHECK_THAT(outcome.out, Contains("vmalloc/16384/soft") &&
                                Contains("vmalloc/16384/host / vmalloc/16384/mmap: ") && Contains("wanted"));
    const Json json = Json::parse(content(file));
    CHECK(json["benchmarks"].size() == 8);
    CHECK(json["mapping"]["rows"].size() == 4);
    CHECK(json["mapping"]["rows"][0]["counts"]["units"] == 64);
    CHECK(json["mapping"]["bars"].size() == 2);
    CHECK(json["context"]["tunables"]["vmalloc.lazy_max_pages"] == "100");
}

TEST_CASE("the chase tells its knees, and what this machine lacks") {
    const Outcome outcome = run_kmemlab(
        "mapping --filter '^access/(16|19|23|64|76|91|1024|1218|1448)/(soft-4k|lines)$' --repetitions 1 "
        "--milliseconds 0.1");
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, Contains("knee of soft-4k: L1 TLB behind 64 pages"));
}

TEST_CASE("the help of mapping suffices to use it, and --list names the rows") {
    CHECK_THAT(run_kmemlab("mapping --help").out,
               Contains("Example") && Contains("kmemlab mapping") && Contains("--mmu") && Contains("--tlb"));
    const Outcome outcome = run_kmemlab("mapping --list --mmu soft --filter '^(areas|access/16)/'");
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, Contains("areas/100000/soft\n") && Contains("access/16/soft-2m\n"));
}

TEST_CASE("a mapping that cannot be measured is refused") {
    check_refused("mapping --filter '('", "no regular expression");
    check_refused("mapping --filter nothing-of-this-name", "no row matches");
    check_refused("mapping --mmu none", "--mmu");
    check_refused("mapping --tlb pentium", "pentium");
    check_refused("mapping --cpus 0", "--cpus");
    check_refused("mapping --set slub.max_order=1", "slub.max_order");
    check_refused("mapping --set vmalloc.lazy=2", "vmalloc.lazy");
    check_refused("mapping --repetitions 0", "--repetitions");
}

/// `kmemlab scale` as a user runs it.
#include <catch2/catch.hpp>
#include <string>

#include "bench/measure/environment.hpp"
#include "tests/cli/program.hpp"

using namespace kmemlab;
using namespace kmemlab::cli_test;
using Catch::Contains;

TEST_CASE("scale prints a table for each pattern and writes the same counts") {
    const ScratchFolder folder;
    const std::string file = folder.file("s.json");
    const Outcome outcome = run_kmemlab(
        "scale --allocator slub,slob --pattern prodcons,local --cpus 2,256 --operations 100 --json " + file);
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK(outcome.err.empty());
    CHECK_THAT(outcome.out, Contains("\nprodcons\n") && Contains("\nlocal\n") && !Contains("pingpong"));
    const Json json = Json::parse(content(file));
    CHECK(json["scale"]["rows"].size() == 8);
    CHECK(json["scale"]["rows"][1]["cpus"] == 256);
    CHECK_THAT(json["context"]["command"].get<std::string>(), Contains("scale"));
}

TEST_CASE("the help of scale suffices to use it") {
    const Outcome outcome = run_kmemlab("scale --help");
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, Contains("Example") && Contains("kmemlab scale") && Contains("pingpong") &&
                                Contains("remote frees"));
}

TEST_CASE("a scale that cannot be is refused") {
    check_refused("scale --allocator nobody", "no allocator 'nobody'");
    check_refused("scale --allocator malloc", "malloc does not run on simulated CPUs; those that do: slub");
    check_refused("scale --pattern random", "no pattern 'random'");
    check_refused("scale --cpus 0", "--cpus");
    check_refused("scale --cpus 2,257", "--cpus");
    check_refused("scale --cpus many", "--cpus");
    check_refused("scale --size 0", "--size");
    check_refused("scale --operations 0", "--operations");
    check_refused("scale --seed 0", "--seed");
    check_refused("scale --set machine.cpus=4", "--cpus tells on how many");
    check_refused("scale --set slub.nonsense=1", "slub.nonsense");
    check_refused("scale --allocator slab --set slub.max_order=0", "slub.max_order");
    check_refused("scale --cpus 1 --set machine.arena=12K", "3 pages");
    check_refused("scale --no-such-option", "--no-such-option");
    check_refused("scale --cpus 1 --operations 10 --json /no/such/folder/s.json", "No such file");
}

/// `kmemlab scale` as a user runs it.
#include <catch2/catch.hpp>
#include <string>

#include "bench/measure/environment.hpp"
#include "tests/cli/program.hpp"

using namespace kmemlab;
using namespace kmemlab::cli_test;
using Catch::Contains;

namespace {

void check_refused(const std::string& options, const std::string& because) {
    CAPTURE(options);
    const Outcome outcome = run_kmemlab("scale " + options);
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
    CHECK_THAT(outcome.err, Catch::StartsWith("kmemlab: ") && Contains(because));
    CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
}

}  // namespace

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
    check_refused("--allocator nobody", "no allocator 'nobody'");
    check_refused("--allocator malloc", "malloc does not run on simulated CPUs; those that do: slub");
    check_refused("--pattern random", "no pattern 'random'");
    check_refused("--cpus 0", "--cpus");
    check_refused("--cpus 2,257", "--cpus");
    check_refused("--cpus many", "--cpus");
    check_refused("--size 0", "--size");
    check_refused("--operations 0", "--operations");
    check_refused("--seed 0", "--seed");
    check_refused("--set machine.cpus=4", "--cpus tells on how many");
    check_refused("--set slub.nonsense=1", "slub.nonsense");
    check_refused("--allocator slab --set slub.max_order=0", "slub.max_order");
    check_refused("--cpus 1 --set machine.arena=12K", "3 pages");
    check_refused("--no-such-option", "--no-such-option");
    check_refused("--cpus 1 --operations 10 --json /no/such/folder/s.json", "No such file");
}

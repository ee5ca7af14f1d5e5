/// `kmemlab experiment` as a user runs it.
#include <catch2/catch.hpp>
#include <string>

#include "bench/experiments/experiment.hpp"
#include "tests/cli/program.hpp"

using namespace kmemlab;
using namespace kmemlab::cli_test;
using Catch::Contains;

TEST_CASE("experiment --list names every experiment") {
    const Outcome outcome = run_kmemlab("experiment --list");
    CHECK(outcome.status == 0);
    for (const experiments::Experiment& experiment : experiments::experiments()) {
        CHECK_THAT(outcome.out, Contains(std::string{experiment.name} + " "));
    }
}

TEST_CASE("an experiment prints what was seen there and here, and why") {
    const Outcome outcome = run_kmemlab("experiment kmalloc-limits");
    CHECK(outcome.status == 0);
    CHECK(outcome.err.empty());
    CHECK_THAT(outcome.out, Contains("\nThe source saw\n") && Contains("\nHere\n") && Contains("\nWhy\n"));
}

TEST_CASE("an experiment that cannot be is refused in one line") {
    const auto check_refused = [](const std::string& options, const std::string& because) {
        CAPTURE(options);
        const Outcome outcome = run_kmemlab("experiment " + options);
        CHECK(outcome.status == 2);
        CHECK(outcome.out.empty());
        CHECK_THAT(outcome.err, Contains(because));
        CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
    };
    check_refused("", "expected the name of an experiment");
    check_refused("nonsense", "no experiment 'nonsense'; there are: kmalloc-limits");
    check_refused("kmalloc-limits --file a.out", "reads no file");
    check_refused("--no-such-option", "--no-such-option");
}

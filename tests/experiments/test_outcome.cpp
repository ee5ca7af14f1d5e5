/// That an outcome knows and says what is not as expected.
#include <catch2/catch.hpp>

#include "allocators/base/check.hpp"
#include "bench/experiments/experiment.hpp"

using namespace kmemlab;
using namespace kmemlab::experiments;
using Catch::Contains;

namespace {

Outcome wrong_by_one(const Options&) {
    Outcome outcome{"the source", "the reason"};
    outcome.expect_equal("pages", 7, 8);
    outcome.note("time", "3 ns");
    return outcome;
}

}  // namespace

TEST_CASE("a finding that is not what it had to be fails the experiment and is printed with both values") {
    const Experiment planted{"planted", "a wrong expectation", "", wrong_by_one};
    const Outcome outcome = run(planted);
    CHECK_FALSE(outcome.as_expected());
    CHECK_THAT(to_text(planted, outcome), Contains("pages  7     NOT AS EXPECTED: 8\n") &&
                                              Contains("time   3 ns\n") && Contains("the source") &&
                                              Contains("the reason"));
}

TEST_CASE("an outcome is as expected while all its findings are") {
    Outcome outcome{"", ""};
    outcome.note("anything", "at all");
    outcome.expect_equal("pages", 8, 8);
    outcome.expect_between("share", 1.5, 1.5, 1.6, "%");
    CHECK(outcome.as_expected());
    CHECK(outcome.find("share")->value == "1.5 %");
    CHECK(outcome.find("nothing") == nullptr);
    outcome.expect_between("share of others", 1.61, 1.5, 1.6, "%", 2);
    CHECK_FALSE(outcome.as_expected());
    CHECK(outcome.find("share of others")->expected == "1.50 % to 1.60 %");
}

TEST_CASE("a file given to an experiment that reads none is refused") {
    CHECK_THROWS_AS(run(Experiment{"planted", "", "", wrong_by_one}, {.file = "a.out"}), UsageError);
    CHECK_NOTHROW(run(Experiment{"planted", "", "any file", wrong_by_one}, {.file = "a.out"}));
}

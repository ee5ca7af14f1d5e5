/// The reducer, on laws made for it, and what is written of a finding.
#include "fuzz/reduce/reducer.hpp"

#include <catch2/catch.hpp>

#include "fuzz/program/mutator.hpp"
#include "fuzz/reduce/isolated.hpp"
#include "fuzz/reduce/test_text.hpp"

using namespace kmemlab;
using namespace kmemlab::fuzz;

namespace {

/// Broken by a zeroed allocation above 1000 bytes that is struck, before a release on CPU 1.
MaybeFinding contrived(const Program& program) {
    bool allocated = false;
    for (std::size_t i = 0; i < program.operations.size(); ++i) {
        const Operation& op = program.operations[i];
        if (op.kind == OpKind::alloc && op.size > 1000 && gfp_of(op).gfp.has(__GFP_ZERO) &&
            op.strike_at > 0 && op.strike_count > 0)
            allocated = true;
        if (op.kind == OpKind::release && op.cpu % program.setup.cpu_count() == 1 && allocated)
            return Finding{"X1", "contrived", i};
    }
    return {};
}

}  // namespace

TEST_CASE("a program is reduced to what its law needs, numbers and set-up included") {
    const Language& language = find_target("slub").language;
    Random random{99};
    Program program;
    MaybeFinding found;
    while (!found) {
        program = random_program(language, random, 400);
        found = contrived(program);
    }
    const Reduction best = reduce(program, *found, contrived);
    CHECK(to_text(best.program, language) ==
          "target slub cpus=1\nalloc slot=0 size=1001 gfp=kernel|zero strike=1x1\nrelease slot=0 cpu=1\n");
    CHECK(best.finding.law == "X1");
    CHECK(best.finding.operation == 1);
}

TEST_CASE("another law is not what the reducer is after") {
    Program program{.setup = {},
                    .operations = std::vector<Operation>(10, Operation{.kind = OpKind::alloc, .size = 8})};
    const auto trial = [](const Program& p) -> MaybeFinding {
        if (p.operations.size() >= 7) return Finding{"X1", "", p.operations.size()};
        if (!p.operations.empty()) return Finding{"X2", "", p.operations.size()};
        return {};
    };
    CHECK(reduce(program, {"X1", "", 10}, trial).program.operations.size() == 7);
}

TEST_CASE("a program that breaks nothing is an ordinary end in a process of its own") {
    const Target& target = find_target("slub");
    Random random{4};
    CHECK_FALSE(run_isolated(target, random_program(target.language, random, 30)));
}

TEST_CASE("a process that dies is a crash, and one that does not end breaks C4") {
    Target target = find_target("slub");
    target.make = [](const Setup&, const Language&) -> std::unique_ptr<Machine> { std::abort(); };
    const auto crash = run_isolated(target, {});
    REQUIRE(crash);
    CHECK(crash->law == "crash");
    CHECK(crash->what == "signal 6");
    target.make = [](const Setup&, const Language&) -> std::unique_ptr<Machine> {
        for (volatile bool wait = true; wait;) {
        }
        return {};
    };
    const auto endless = run_isolated(target, {}, 1);
    REQUIRE(endless);
    CHECK(endless->law == "C4");
}

TEST_CASE("a finding is written as a test of its program") {
    const Target& target = find_target("slub");
    const Program program = parse("target slub\nalloc slot=3 size=64\n", target.language, "p");
    const std::string text = test_text(target, program, {"G5", "0x10+64 is not zero\nand more", 0});
    CHECK_THAT(text, Catch::StartsWith("// G5: 0x10+64 is not zero\n"));
    CHECK_THAT(text, Catch::Contains("check_program(\"slub\", 0x") &&
                         Catch::Contains("target slub\nalloc slot=3 size=64\n)\""));
}

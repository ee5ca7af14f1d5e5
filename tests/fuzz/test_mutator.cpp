/// What the mutator makes of programs.
#include <catch2/catch.hpp>
#include <set>

#include "fuzz/program/mutator.hpp"
#include "fuzz/targets/target.hpp"

using namespace kmemlab;
using namespace kmemlab::fuzz;

TEST_CASE("mutants are programs of their language, and no longer than they may be") {
    const Language& language = find_target("slub").language;
    Random random{3};
    Program program;
    std::set<OpKind> seen;
    std::size_t struck = 0;
    for (int i = 0; i < 5000; ++i) {
        mutate(program, language, random, 50);
        REQUIRE(program.operations.size() <= 50);
        for (const Operation& op : program.operations) {
            REQUIRE((language.operations & bit(op.kind)) != 0);
            seen.insert(op.kind);
            struck += op.strike_at > 0 ? 1 : 0;
        }
    }
    CHECK(seen.size() == static_cast<std::size_t>(std::popcount(language.operations)));
    CHECK(struck > 1000);
}

TEST_CASE("mutants are mostly short, and some as long as they may be") {
    const Language& language = find_target("slub").language;
    Random random{4};
    const Program parent = random_program(language, random, 300);
    int are_short = 0;
    int are_long = 0;
    for (int i = 0; i < 1000; ++i) {
        Program mutated = parent;
        mutate(mutated, language, random, 300);
        (mutated.operations.size() <= 64 ? are_short : are_long) += 1;
        (cross(parent, mutated, random, 300).operations.size() <= 64 ? are_short : are_long) += 1;
    }
    CHECK(are_short > 1500);
    CHECK(are_long > 100);
}

TEST_CASE("the same seed makes the same mutants") {
    const Language& language = find_target("buddy").language;
    const auto made = [&](std::uint64_t seed) {
        Random random{seed};
        Program program;
        for (int i = 0; i < 100; ++i) mutate(program, language, random, 100);
        return program;
    };
    CHECK(made(5) == made(5));
    CHECK_FALSE(made(5) == made(6));
}

TEST_CASE("a child has operations of both parents") {
    const Language& language = find_target("slub").language;
    const Program a{.setup = {}, .operations = std::vector<Operation>(20, Operation{.kind = OpKind::alloc})};
    const Program b{.setup = {},
                    .operations = std::vector<Operation>(20, Operation{.kind = OpKind::release})};
    Random random{1};
    std::size_t mixed = 0;
    for (int i = 0; i < 100; ++i) {
        const Program child = cross(a, b, random, 30);
        REQUIRE(child.operations.size() <= 30);
        std::set<OpKind> kinds;
        for (const Operation& op : child.operations) kinds.insert(op.kind);
        mixed += kinds.size() == 2 ? 1 : 0;
        REQUIRE(decode(encode(child, language), language).operations.size() == child.operations.size());
    }
    CHECK(mixed > 50);
}

/// The digest of an input tells outcomes apart, and nothing else.
#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "fuzz/program/mutator.hpp"
#include "fuzz/targets/target.hpp"

using namespace kmemlab;
using namespace kmemlab::fuzz;

namespace {

std::vector<std::uint8_t> bytes(std::string_view text) {
    return {text.begin(), text.end()};
}

/// On a thread of its own, whose arenas lie elsewhere.
std::optional<std::uint64_t> digest_elsewhere(const Target& target, std::span<const std::uint8_t> input) {
    std::optional<std::uint64_t> sum;
    std::thread{[&] { sum = digest(target, input); }}.join();
    return sum;
}

}  // namespace

TEST_CASE("the digest of a program is the same wherever memory lies, and not that of another program") {
    constexpr int programs = 30;
    for (const Target& target : all_targets()) {
        if (!target.has_programs()) continue;
        INFO(target.name);
        Random random{7};
        std::set<std::uint64_t> sums;
        for (int i = 0; i < programs; ++i) {
            const Program program = random_program(target.language, random, 1 + random.below(100));
            const auto input = encode(program, target.language);
            const auto sum = digest(target, input);
            REQUIRE(sum);
            CHECK(sum == digest_elsewhere(target, input));
            sums.insert(*sum);
        }
        CHECK(sums.size() > programs / 2);  // set-ups that no machine has come to the same: nothing
    }
}

TEST_CASE("the digest of a program changes with what its last operation leaves") {
    const Target& target = find_target("slob");
    const Program one = parse("target slob\nalloc slot=0 size=100\n", target.language, "one");
    Program two = one;
    two.operations.back().size = 1000;
    CHECK(digest(target, encode(one, target.language)) != digest(target, encode(two, target.language)));
}

TEST_CASE("the digest of bytes is that of what was read of them, where it can be told") {
    const Target& text = find_target("trace_text");
    CHECK(digest(text, bytes("nonsense")) == digest(text, bytes("nonsense")));
    CHECK(digest(text, bytes("")) != digest(text, bytes("nonsense")));
    CHECK(digest(find_target("trace_packed"), bytes("nonsense")).has_value());
    CHECK_FALSE(digest(find_target("settings"), bytes("slub")).has_value());
}

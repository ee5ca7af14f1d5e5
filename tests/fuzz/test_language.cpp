/// Programs as bytes and as text.
#include <catch2/catch.hpp>

#include "fuzz/program/mutator.hpp"
#include "fuzz/targets/target.hpp"

using namespace kmemlab;
using namespace kmemlab::fuzz;

namespace {

std::vector<const Target*> with_programs() {
    std::vector<const Target*> some;
    for (const Target& target : all_targets()) {
        if (target.has_programs()) some.push_back(&target);
    }
    return some;
}

std::string refusal(const std::string& text) {
    try {
        static_cast<void>(parse(text, find_target("slub").language, "p.txt"));
    } catch (const UsageError& error) {
        return error.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("any bytes are a program, and what is written is read alike") {
    Random random{7};
    for (const Target* target : with_programs()) {
        for (int i = 0; i < 200; ++i) {
            std::vector<std::uint8_t> bytes(random.below(400));
            for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
            const Program program = decode(bytes, target->language);
            const auto canonical = encode(program, target->language);
            REQUIRE(decode(canonical, target->language) == program);
            REQUIRE(encode(decode(canonical, target->language), target->language) == canonical);
            REQUIRE(parse(to_text(program, target->language), target->language, "text") == program);
        }
    }
}

TEST_CASE("a program has as many operations as its bytes have whole records") {
    const Language& language = find_target("slub").language;
    CHECK(decode({}, language).operations.empty());
    const std::vector<std::uint8_t> bytes(setup_bytes + 3 * operation_bytes + 5);
    CHECK(decode(bytes, language).operations.size() == 3);
    const std::vector<std::uint8_t> many(setup_bytes + (most_operations + 9) * operation_bytes);
    CHECK(decode(many, language).operations.size() == most_operations);
}

TEST_CASE("a text is refused by its line and what was expected there") {
    CHECK(refusal("") == "p.txt:1: expected a line `target NAME ...`, got the end of the text");
    CHECK(refusal("target buddy\n") == "p.txt:1: expected `target slub ...`, got target");
    CHECK(refusal("target slub\n\nallocate size=3\n") ==
          "p.txt:3: expected an operation of slub, got allocate");
    CHECK(refusal("target slub\nalloc size=x\n") == "p.txt:2: expected a number, got size=x");
    CHECK(refusal("target slub\nalloc order=3\n") == "p.txt:2: expected a number of alloc, got order=3");
    CHECK(refusal("target slub\nalloc gfp=maybe\n") == "p.txt:2: expected a known gfp, got gfp=maybe");
    CHECK(refusal("target slub\nalloc strike=3\n") == "p.txt:2: expected strike=POINTxCOUNT, got strike=3");
    CHECK(refusal("target slub slub.max_order=77\n") ==
          "p.txt:1: expected a setting of slub, with one of its values, got slub.max_order=77");
    CHECK(refusal(
              "# a comment\ntarget slub cpus=1 slub.max_order=1\nalloc size=0x40 gfp=kernel|zero # here\n") ==
          "accepted");
}

TEST_CASE("a program means the same when an operation is left out") {
    const Target& target = find_target("slub");
    Random random{11};
    Program program = random_program(target.language, random, 60);
    while (!program.operations.empty()) {
        program.operations.erase(program.operations.begin() +
                                 static_cast<std::ptrdiff_t>(random.below(program.operations.size())));
        REQUIRE_FALSE(run(target.make, program, target.language));
    }
}

/// The kept inputs of every target break no law, without any fuzzer.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/program/mutator.hpp"
#include "fuzz/targets/target.hpp"

using namespace kmemlab;
using namespace kmemlab::fuzz;

namespace {

std::vector<std::uint8_t> content(const std::filesystem::path& name) {
    std::ifstream file{name, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace

TEST_CASE("the inputs kept in fuzz/corpus break no law") {
    for (const Target& target : all_targets()) {
        const std::filesystem::path folder = std::filesystem::path{"fuzz/corpus"} / target.name;
        INFO(folder.string());
        REQUIRE(std::filesystem::is_directory(folder));
        std::size_t inputs = 0;
        for (const auto& entry : std::filesystem::directory_iterator{folder}) {
            CAPTURE(entry.path().string());
            const auto found = run_input(target, content(entry.path()));
            REQUIRE((found ? found->law + ": " + found->what : "") == "");
            ++inputs;
        }
        CHECK(inputs > 0);
    }
}

TEST_CASE("programs drawn by a seed break no law") {
    for (const Target& target : all_targets()) {
        if (!target.has_programs()) continue;
        INFO(target.name);
        Random random{2026};
        for (int i = 0; i < 60; ++i) {
            const Program program = random_program(target.language, random, 1 + random.below(150));
            const auto found = run(target.make, program, target.language);
            if (found) FAIL(report(target, program, *found));
        }
    }
}

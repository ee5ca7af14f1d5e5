/// A program that broke a law once, and must not again.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/reduce/test_text.hpp"

namespace kmemlab::test {

/// `hash` is that of the program as it was found: a text that was changed by hand is another program.
inline void check_program(std::string_view target_name, std::uint64_t hash, const std::string& text) {
    const fuzz::Target& target = fuzz::find_target(target_name);
    const fuzz::Program program = fuzz::parse(text, target.language, "program");
    CHECK(fuzz::hash_of(program, target.language) == hash);
    const auto found = fuzz::run(target.make, program, target.language);
    CHECK((found ? found->law + ": " + found->what : "") == "");
}

}  // namespace kmemlab::test

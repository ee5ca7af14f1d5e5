/// A finding as a Catch2 test, ready for tests/fuzz/findings.
#pragma once

#include <cstdint>
#include <string>

#include "fuzz/targets/target.hpp"

namespace kmemlab::fuzz {

/// Of the program's bytes (FNV-1a): names it.
[[nodiscard]] std::uint64_t hash_of(const Program& program, const Language& language);

[[nodiscard]] std::string test_text(const Target& target, const Program& program, const Finding& finding);

}  // namespace kmemlab::fuzz

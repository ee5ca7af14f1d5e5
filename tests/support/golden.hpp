/// Golden data: observations of real kernels, lines of comma-separated fields without quoting. Lines that
/// begin with '#' hold parameters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kmemlab::test {

/// All of a file below tests/golden, decompressed if its name ends in .zst. Throws std::runtime_error if it
/// cannot be read. KMEMLAB_GOLDEN in the environment names another directory to read from.
[[nodiscard]] std::string read_golden(const std::string& name);
/// Is there such a file?
[[nodiscard]] bool have_golden(const std::string& name);

[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);
[[nodiscard]] std::vector<std::string_view> fields_of(std::string_view line, char separator = ',');
/// The value of `key=` in the lines that begin with '#'; throws std::runtime_error if there is none.
[[nodiscard]] std::string parameter(std::string_view text, std::string_view key);
/// A whole number, perhaps negative. Throws std::runtime_error.
[[nodiscard]] std::int64_t number(std::string_view text);

}  // namespace kmemlab::test

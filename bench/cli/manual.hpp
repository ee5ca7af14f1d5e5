/// The manual page and the completion of shells, made of what the parser knows: commands, options and their
/// words stand at one place, where the parser is told of them.
#pragma once

#include <CLI/CLI.hpp>
#include <array>
#include <string>
#include <string_view>

namespace kmemlab::cli {

/// Section 1, as troff reads it.
[[nodiscard]] std::string man_page(const CLI::App& program, std::string_view version);

enum class Shell { bash, zsh, fish };
inline constexpr std::array<std::string_view, 3> shell_names{"bash", "zsh", "fish"};

/// A script that the shell reads: commands, options, and the values of those that take one of a few words;
/// files elsewhere.
[[nodiscard]] std::string completion(const CLI::App& program, Shell shell);

}  // namespace kmemlab::cli

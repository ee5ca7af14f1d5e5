/// Tunables: named values of plain configuration structs, as a kernel engineer knows them
/// (`slub.max_order`, `pcp.batch`). A struct lists its own by a member `tunables()`; settings of the command
/// line (`--set key=value`) go through apply_settings(), which refuses what it does not know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kmemlab {

/// A text of the program itself: made of a literal, never of a string or a view that may die before it.
class Literal : public std::string_view {
  public:
    template <std::size_t size>
    // NOLINTNEXTLINE(google-explicit-constructor,cppcoreguidelines-avoid-c-arrays): a literal is an array
    constexpr Literal(const char (&text)[size]) : std::string_view{text, size - 1} {}
};

struct Tunable {
    Literal key;
    Literal help;                               ///< one line: meaning and unit
    std::string accepted;                       ///< e.g. "0..10"
    std::function<bool(std::string_view)> set;  ///< false if the value is not accepted
    std::function<std::string()> get;
};

/// A tunable that is an integer from `min` to `max`; `variable` must outlive it.
[[nodiscard]] Tunable integer_tunable(Literal key, Literal help, std::uint64_t& variable, std::uint64_t min,
                                      std::uint64_t max);
/// A tunable that is 0 or 1.
[[nodiscard]] Tunable switch_tunable(Literal key, Literal help, bool& variable);
/// A tunable that is an amount of memory: bytes, or with K, M, G, T behind the number.
[[nodiscard]] Tunable bytes_tunable(Literal key, Literal help, std::size_t& variable, std::size_t min,
                                    std::size_t max);

struct Setting {
    std::string key;
    std::string value;
};

/// Splits "key=value". Throws UsageError without a key or '='.
[[nodiscard]] Setting parse_setting(std::string_view text);

/// Parses an amount of memory: "4096", "64K", "1G"; nothing if it is malformed or overflows.
[[nodiscard]] bool parse_bytes(std::string_view text, std::size_t& bytes);

/// Sets `tunables` from those `settings` whose keys are among them. Throws UsageError, naming key, value and
/// what is accepted, if a value is not.
void apply_settings(std::span<const Setting> settings, std::span<const Tunable> tunables);

/// Throws UsageError, naming the valid keys, if some setting's key is not among them.
void refuse_unknown(std::span<const Setting> settings, std::span<const std::string> known_keys);

}  // namespace kmemlab

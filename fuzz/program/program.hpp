/// Programs: a machine's set-up and operations, as bytes (what a fuzzer works on) and as text (what people
/// read).
///
///     bytes   | set-up, 32 | operation, 12 | operation, 12 | ...        a cut last operation does not count
///     text    target slub cpus=2 arena=1 start=3 walk=1 slub.cpu_partial=2
///             alloc slot=0 size=192
///             release slot=0 cpu=1
///
/// Any bytes are a program; what an operation does not read is dropped, so encode(decode(x)) is canonical. In
/// a text, a number that is 0 may be left out, and `#` begins a comment.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/program/operation.hpp"

namespace kmemlab::fuzz {

inline constexpr std::size_t knob_count = 16;
inline constexpr std::size_t most_operations = 4096;

/// A tunable that programs may set: its key, and the values to choose from. Choice 0 leaves the default.
struct Knob {
    std::string_view key;
    std::vector<std::string_view> values;
};

struct Setup {
    std::uint8_t cpus = 0;    ///< 1 + cpus % 4
    std::uint8_t arena = 0;   ///< memory: index into arena_choices, modulo
    std::uint8_t start = 0;   ///< first frame: index into start_choices, modulo
    std::uint8_t layout = 0;  ///< zones: index into layout_choices, modulo
    std::uint8_t walk = 0;    ///< find_violation after each 2^(5 + walk % 3) operations
    OpSet features = 0;       ///< kinds of operations that the mutator may use; 0: all of the target
    std::array<std::uint8_t, knob_count> knobs{};

    [[nodiscard]] unsigned cpu_count() const { return 1 + cpus % 4U; }
    [[nodiscard]] std::size_t arena_bytes() const;
    [[nodiscard]] std::uint64_t start_pfn() const;
    [[nodiscard]] std::string_view zone_layout() const;
    [[nodiscard]] std::size_t walk_interval() const { return std::size_t{32} << (walk % 3U); }

    friend bool operator==(const Setup&, const Setup&) = default;
};
inline constexpr std::size_t setup_bytes = 32;

struct Program {
    Setup setup;
    std::vector<Operation> operations;

    friend bool operator==(const Program&, const Program&) = default;
};

/// What a target is to its programs: name, operations, tunables.
struct Language {
    std::string_view target;
    OpSet operations = 0;
    std::span<const Knob> knobs{};
};

/// Each byte of a record means what it means modulo what there is; kinds: modulo those of the language.
[[nodiscard]] Program decode(std::span<const std::uint8_t> bytes, const Language& language);
[[nodiscard]] std::vector<std::uint8_t> encode(const Program& program, const Language& language);

[[nodiscard]] std::string to_text(const Operation& operation);
[[nodiscard]] std::string to_text(const Program& program, const Language& language);
/// The name in the first line. Throws UsageError naming `source` and the line if there is none.
[[nodiscard]] std::string target_of(std::string_view text, const std::string& source);
/// Throws UsageError that names source, line and what was expected.
[[nodiscard]] Program parse(std::string_view text, const Language& language, const std::string& source);

/// The chosen settings, as `key=value` pairs.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> settings_of(const Setup& setup,
                                                                           const Language& language);

}  // namespace kmemlab::fuzz

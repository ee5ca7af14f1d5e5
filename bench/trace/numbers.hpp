/// Numbers as kernels print them.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace kmemlab::trace {

/// The whole of `text` in `base`, or nothing.
[[nodiscard]] inline std::optional<std::uint64_t> parse_digits(std::string_view text, int base) {
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, base);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return value;
}

[[nodiscard]] inline bool has_hex_prefix(std::string_view text) {
    return text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
}

/// Decimal, or hexadecimal after 0x.
[[nodiscard]] inline std::optional<std::uint64_t> parse_number(std::string_view text) {
    return has_hex_prefix(text) ? parse_digits(text.substr(2), 16) : parse_digits(text, 10);
}

/// Hexadecimal, with or without 0x: what %p prints.
[[nodiscard]] inline std::optional<std::uint64_t> parse_hex(std::string_view text) {
    return parse_digits(has_hex_prefix(text) ? text.substr(2) : text, 16);
}

}  // namespace kmemlab::trace

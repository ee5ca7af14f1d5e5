/// Bytes that debugging writes around and into objects, and the helpers to check and show them (SLUB-74, 77).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kmemlab {

inline constexpr std::uint8_t red_zone_free = 0xbb;
inline constexpr std::uint8_t red_zone_live = 0xcc;
inline constexpr std::uint8_t poison_inuse = 0x5a;  ///< padding: what no object ever uses
inline constexpr std::uint8_t poison_free = 0x6b;
inline constexpr std::uint8_t poison_end = 0xa5;  ///< last byte of a poisoned object

void fill(std::span<std::byte> bytes, std::uint8_t value);

/// First and last position that differ from `expected`, or nothing.
struct Mismatch {
    std::size_t first = 0;
    std::size_t last = 0;
};
[[nodiscard]] std::optional<Mismatch> find_mismatch(std::span<const std::byte> bytes, std::uint8_t expected);

/// Rows of 16 bytes as the kernel dumps them: title, address, hex, characters.
[[nodiscard]] std::string hex_dump(std::string_view title, std::span<const std::byte> bytes);

}  // namespace kmemlab

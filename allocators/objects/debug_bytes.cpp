#include "allocators/objects/debug_bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace kmemlab {

void fill(std::span<std::byte> bytes, std::uint8_t value) {
    if (!bytes.empty()) std::memset(bytes.data(), value, bytes.size());
}

std::optional<Mismatch> find_mismatch(std::span<const std::byte> bytes, std::uint8_t expected) {
    // Mostly there is none, and each byte is as the one before it.
    const bool uniform = bytes.empty() || std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
    if (uniform && (bytes.empty() || bytes[0] == std::byte{expected})) return {};
    const auto differs = [expected](std::byte b) { return b != std::byte{expected}; };
    const auto first = std::find_if(bytes.begin(), bytes.end(), differs);
    if (first == bytes.end()) return {};
    const auto last = std::find_if(bytes.rbegin(), bytes.rend(), differs);
    return Mismatch{static_cast<std::size_t>(first - bytes.begin()),
                    static_cast<std::size_t>(std::distance(last, bytes.rend())) - 1};
}

std::string hex_dump(std::string_view title, std::span<const std::byte> bytes) {
    constexpr std::size_t row_bytes = 16;
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += row_bytes) {
        const auto row = bytes.subspan(at, std::min(row_bytes, bytes.size() - at));
        std::string hex;
        std::string characters;
        for (const std::byte b : row) {
            const auto value = std::to_integer<unsigned>(b);
            fmt::format_to(std::back_inserter(hex), "{:02x} ", value);
            characters += value >= 0x20 && value < 0x7f ? static_cast<char>(value) : '.';
        }
        fmt::format_to(std::back_inserter(text), "{:<8} {:016x}: {:<48} {}\n", title,
                       reinterpret_cast<std::uintptr_t>(row.data()), hex, characters);
    }
    return text;
}

}  // namespace kmemlab

#include "allocators/objects/debug_bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace kmemlab {

void fill(std::span<std::byte> bytes, std::uint8_t value) {
    if (!bytes.empty()) std::memset(bytes.data(), value, bytes.size());
}

namespace {

constexpr std::size_t width = sizeof(std::uint64_t);

std::uint64_t word_at(const std::byte* p) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, width);
    return word;
}

/// All of a run may be read if its ends may, which AddressSanitizer sees below.
[[gnu::no_sanitize_address]] bool words_are(const std::byte* p, std::size_t words, std::uint64_t expected) {
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < words; ++i) {
        std::uint64_t word = 0;
        std::memcpy(&word, p + i * width, width);
        wrong |= word ^ expected;
    }
    return wrong == 0;
}

/// By words: most runs are too short for a call to pay, and it is a dear one with AddressSanitizer.
bool all_are(std::span<const std::byte> bytes, std::uint8_t expected) {
    if (bytes.size() < width)
        return std::ranges::all_of(bytes, [&](std::byte b) { return b == std::byte{expected}; });
    constexpr std::uint64_t ones = 0x0101010101010101;
    const std::uint64_t word = ones * expected;
    return word_at(bytes.data()) == word && word_at(bytes.data() + bytes.size() - width) == word &&
           words_are(bytes.data(), bytes.size() / width, word);
}

}  // namespace

std::optional<Mismatch> find_mismatch(std::span<const std::byte> bytes, std::uint8_t expected) {
    if (all_are(bytes, expected)) return {};  // mostly
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

#include "allocators/base/tunable.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "allocators/base/check.hpp"

namespace kmemlab {
namespace {

bool parse_integer(std::string_view text, std::uint64_t& value) {
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    return error == std::errc{} && rest == end;
}

}  // namespace

Tunable integer_tunable(Literal key, Literal help, std::uint64_t& variable, std::uint64_t min,
                        std::uint64_t max) {
    auto set = [&variable, min, max](std::string_view text) {
        std::uint64_t value = 0;
        if (!parse_integer(text, value) || value < min || value > max) return false;
        variable = value;
        return true;
    };
    auto get = [&variable] { return fmt::to_string(variable); };
    return {key, help, fmt::format("{}..{}", min, max), set, get};
}

Tunable switch_tunable(Literal key, Literal help, bool& variable) {
    auto set = [&variable](std::string_view text) {
        if (text != "0" && text != "1") return false;
        variable = text == "1";
        return true;
    };
    auto get = [&variable] { return std::string{variable ? "1" : "0"}; };
    return {key, help, "0 or 1", set, get};
}

Tunable bytes_tunable(Literal key, Literal help, std::size_t& variable, std::size_t min, std::size_t max) {
    auto set = [&variable, min, max](std::string_view text) {
        std::size_t value = 0;
        if (!parse_bytes(text, value) || value < min || value > max) return false;
        variable = value;
        return true;
    };
    auto get = [&variable] { return fmt::to_string(variable); };
    return {key, help, fmt::format("{}..{} bytes, or with K, M, G, T", min, max), set, get};
}

Setting parse_setting(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) {
        throw UsageError::of("--set {}: expected key=value", text);
    }
    return {std::string{text.substr(0, equals)}, std::string{text.substr(equals + 1)}};
}

bool parse_bytes(std::string_view text, std::size_t& bytes) {
    constexpr std::string_view suffixes = "KMGT";
    unsigned shift = 0;
    if (!text.empty()) {
        if (const auto suffix = suffixes.find(text.back()); suffix != std::string_view::npos) {
            shift = 10 * (static_cast<unsigned>(suffix) + 1);
            text.remove_suffix(1);
        }
    }
    std::uint64_t value = 0;
    if (!parse_integer(text, value) || value > (~std::uint64_t{0} >> shift)) return false;
    bytes = value << shift;
    return true;
}

void apply_settings(std::span<const Setting> settings, std::span<const Tunable> tunables) {
    for (const Setting& setting : settings) {
        const auto found = std::find_if(tunables.begin(), tunables.end(),
                                        [&](const Tunable& t) { return t.key == setting.key; });
        if (found != tunables.end() && !found->set(setting.value)) {
            throw UsageError::of("--set {}={}: expected {}", setting.key, setting.value, found->accepted);
        }
    }
}

void refuse_unknown(std::span<const Setting> settings, std::span<const std::string> known_keys) {
    for (const Setting& setting : settings) {
        if (std::find(known_keys.begin(), known_keys.end(), setting.key) == known_keys.end()) {
            throw UsageError::of("--set {}: no such tunable; valid: {}", setting.key,
                                 fmt::join(known_keys, ", "));
        }
    }
}

}  // namespace kmemlab

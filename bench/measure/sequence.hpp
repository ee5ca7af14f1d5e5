/// In which order what was allocated is freed again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <string_view>
#include <vector>

namespace kmemlab {

enum class Sequence : std::uint8_t { lifo, fifo, random };

[[nodiscard]] constexpr std::string_view to_string(Sequence sequence) {
    switch (sequence) {
        case Sequence::lifo:
            return "lifo";
        case Sequence::fifo:
            return "fifo";
        default:
            return "random";
    }
}

/// The numbers 0..count-1 in that order; `random` is the same in every run.
[[nodiscard]] inline std::vector<std::uint32_t> positions(Sequence sequence, std::size_t count) {
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0U);
    if (sequence == Sequence::lifo) std::reverse(order.begin(), order.end());
    // Not std::shuffle, whose result differs between standard libraries.
    std::mt19937 random{1};
    for (std::size_t left = count; sequence == Sequence::random && left > 1; --left) {
        std::swap(order[left - 1], order[random() % left]);
    }
    return order;
}

}  // namespace kmemlab

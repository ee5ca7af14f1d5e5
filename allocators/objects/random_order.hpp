/// Random order of a slab's free list (SLUB-70), reproducible from a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace kmemlab {

/// One well mixed number for each input (SplitMix64's output function).
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

/// A permutation of 0..count-1: for i = count-1 down to 1 swap entry i with entry (random mod (i+1)).
[[nodiscard]] inline std::vector<std::uint32_t> random_permutation(std::size_t count, std::uint64_t seed) {
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0U);
    for (std::size_t i = count; i-- > 1;) std::swap(order[i], order[mix(seed + i) % (i + 1)]);
    return order;
}

}  // namespace kmemlab

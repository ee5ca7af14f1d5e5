/// The random numbers of the kernels' recorded experiments, and the decision made with them that all share
/// (tests/golden/README.md, "Generators").
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace kmemlab {

/// xorshift64; the seed must not be 0.
class Draws {
  public:
    explicit Draws(std::uint64_t seed) : state_{seed} {}
    std::uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        return state_ ^= state_ << 17;
    }

  private:
    std::uint64_t state_;
};

/// Does operation `i` of `n` allocate, by its draw? The chance changes with the eighth of the trace.
[[nodiscard]] inline bool wants_allocation(std::uint64_t draw, std::uint64_t i, std::uint64_t n) {
    constexpr std::array<unsigned, 8> of_256{192, 128, 192, 128, 64, 128, 64, 48};
    return (draw & 255) < of_256[std::min<std::uint64_t>(7, i / std::max<std::uint64_t>(1, n / 8))];
}

}  // namespace kmemlab

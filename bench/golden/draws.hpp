/// The random numbers of the kernel's experiments, and the decisions made with them that all traces share
/// (tests/golden/README.md, "Generators").
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "allocators/base/units.hpp"
#include "bench/golden/golden_file.hpp"

namespace kmemlab::golden {

/// xorshift64.
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

/// Fewest operations that the eighths of a trace need, and as many as anybody will record.
inline constexpr std::uint64_t least_operations = 8;
inline constexpr std::uint64_t most_operations = 1'000'000'000;

/// Does operation `i` of `n` allocate, by its draw? The chance changes with the eighth of the trace.
[[nodiscard]] inline bool wants_allocation(std::uint64_t draw, std::uint64_t i, std::uint64_t n) {
    constexpr std::array<unsigned, 8> of_256{192, 128, 192, 128, 64, 128, 64, 48};
    return (draw & 255) < of_256[std::min<std::uint64_t>(7, i / (n / 8))];
}

/// Which CPU does what, in traces of several: `policy=`.
class CpuPolicy {
  public:
    /// Of one CPU if the file has no policy. Throws UsageError for one that is not known.
    explicit CpuPolicy(const GoldenFile& file);

    [[nodiscard]] unsigned cpus() const { return cpus_; }
    [[nodiscard]] bool several() const { return several_; }
    /// `q`: the operation's second draw.
    [[nodiscard]] CpuId allocates(std::uint64_t operation, std::uint64_t q) const;
    /// `owner`: the CPU that allocated.
    [[nodiscard]] CpuId frees(std::uint64_t operation, std::uint64_t q, CpuId owner) const;
    /// After the last draw.
    [[nodiscard]] CpuId frees_at_end(std::uint64_t operation, CpuId owner) const;

  private:
    enum class Name : std::uint8_t { local, random, prodcons, pingpong };

    bool several_;
    unsigned cpus_ = 1;
    Name name_ = Name::local;
};

}  // namespace kmemlab::golden

/// How long the recorded experiments were, and which CPU did what (tests/golden/README.md, "Generators").
#pragma once

#include <cstdint>

#include "allocators/base/units.hpp"
#include "bench/golden/golden_file.hpp"
#include "bench/measure/recorded_draws.hpp"

namespace kmemlab::golden {

/// Fewest operations that the eighths of a trace need, and as many as anybody will record.
inline constexpr std::uint64_t least_operations = 8;
inline constexpr std::uint64_t most_operations = 1'000'000'000;

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

/// The parameters of workloads: plain structs that list their values as tunables, as the allocators' do.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/base/tunable.hpp"
#include "allocators/base/units.hpp"
#include "bench/measure/sequence.hpp"

namespace kmemlab::workloads {

/// Whether a workload draws random numbers: only then it has a seed.
enum class Luck : bool { none, drawn };

/// What every workload has.
struct Basics {
    explicit Basics(std::uint64_t usual_threads = 4, std::uint64_t fewest_threads = 1,
                    Luck with_luck = Luck::drawn)
        : threads{usual_threads}, least_threads{fewest_threads}, luck{with_luck} {}

    std::uint64_t ops = 1'000'000;
    std::uint64_t seed = 1;
    std::uint64_t threads;
    std::uint64_t least_threads;
    Luck luck;

    /// These, and then `own`.
    [[nodiscard]] std::vector<Tunable> tunables(std::vector<Tunable> own);
    [[nodiscard]] unsigned cpus() const { return static_cast<unsigned>(threads); }
};

/// fifo, lifo or random.
[[nodiscard]] Tunable sequence_tunable(Literal key, Literal help, Sequence& variable);
/// The name of a file; no commas.
[[nodiscard]] Tunable file_tunable(Literal key, Literal help, std::string& variable);

/// Sets the parameters of a workload. Throws UsageError, in one line, naming what is valid.
void apply(std::string_view workload, std::span<const Setting> settings, std::span<const Tunable> tunables);

/// Throws UsageError if no size is from `min` to `max`.
void check_sizes(std::uint64_t min, std::uint64_t max);

/// The largest kmalloc that a workload may ask for.
inline constexpr std::uint64_t largest_object = std::uint64_t{1} << 20;

}  // namespace kmemlab::workloads

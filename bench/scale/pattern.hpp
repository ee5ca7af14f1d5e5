/// Who allocates and who frees: three patterns of operations over any number of CPUs.
///
/// | pattern  | an object is allocated on      | and freed on                                              |
/// |----------|--------------------------------|-----------------------------------------------------------|
/// | local    | any CPU                        | the CPU that allocated it                                 |
/// | prodcons | the producer of a pair, CPU 2k | the pair's consumer, 2k + 1                               |
/// | pingpong | the pair's side in turn        | the pair's other side; sides change every 256 operations, |
/// |          |                                | so that an old object may be freed where it comes from    |
///
/// A CPU without a partner (the last of an odd number) is both sides of its pair: on one CPU all three
/// patterns are `local`.
///
/// What happens is drawn as in the recordings of tests/golden: each operation takes two numbers r, q of
/// xorshift64 (13, 7, 17). It allocates with a chance, out of 256, of 192, 128, 192, 128, 64, 128, 64, 48 in
/// the eighths of the run, or if nothing lives; else it frees an object drawn among all that live. q draws
/// CPU or pair of an allocation. In the end everything is freed, newest first, beyond the number of
/// operations. With two CPUs `prodcons` and `pingpong` are those of the recordings, `local` is with any
/// number.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "allocators/base/units.hpp"

namespace kmemlab::scale {

enum class Pattern : std::uint8_t { local, prodcons, pingpong };
inline constexpr std::array all_patterns{Pattern::local, Pattern::prodcons, Pattern::pingpong};

[[nodiscard]] std::string_view to_string(Pattern pattern);
/// Throws UsageError that lists the names.
[[nodiscard]] Pattern pattern_of(std::string_view name);

struct Step {
    bool allocates = false;
    CpuId cpu;
    std::uint32_t object = 0;  ///< counts allocations from 0; a free names what it ends
};

/// At least `operations` steps; as many frees as allocations. `seed` must not be 0.
[[nodiscard]] std::vector<Step> steps_of(Pattern pattern, unsigned cpus, std::uint64_t operations,
                                         std::uint64_t seed);

}  // namespace kmemlab::scale

/// The works of recorded timings (kernel_times.hpp), done by our models: each allocator as it is by default,
/// on one CPU that the caller owns. Objects come from a cache that is made for a repetition, so that no row
/// finds what another left. As where they were recorded, nothing is written into them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bench/measure/contest.hpp"
#include "bench/peers/kernel_states.hpp"
#include "bench/peers/kernel_times.hpp"

namespace kmemlab::peers {

/// Adds a contest for each name of a row of `times`. Those of SLOB and of pages begin with their state of
/// `states`, if there is one. Batches count which paths served them. Throws UsageError for a state that the
/// models cannot be put into.
void add_kernel_contests(Contests& contests, std::span<const KernelTimes> times,
                         const KernelStates& states = {});

/// The sequence in which the recorded batches of `count` were freed.
[[nodiscard]] std::vector<std::uint32_t> recorded_positions(Sequence sequence, std::size_t count);
/// The sizes that the recorded kmallocs asked for, in turn: of uniform_kmallocs or loguniform_kmallocs.
[[nodiscard]] std::vector<std::uint32_t> recorded_sizes(KernelWork work);

}  // namespace kmemlab::peers

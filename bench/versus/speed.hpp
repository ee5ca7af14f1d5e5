/// The speed of two kernels, in turns: each turn boots both anew, so that what a process meets at its start
/// is drawn anew too, replays the traces in both, and runs the pairs and batches of `kmemlab peers` in both.
/// A turn counts once for each row, by its median.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "bench/measure/contest.hpp"
#include "bench/replay/replay.hpp"
#include "bench/trace/trace.hpp"

namespace kmemlab::versus {

struct SpeedOptions {
    std::array<std::string, 2> kernels;
    unsigned turns = 10;
    unsigned passes = 3;  ///< of a replay in a turn
    std::string filter;   ///< of the rows of peers; see guest_contests.hpp
    std::function<void(std::size_t done, std::size_t total)> progress;
    std::function<bool()> interrupted;
};

struct Speed {
    /// Rows of the one and of the other, under the same names: the kernel's own is left out of them.
    std::array<std::vector<ContestRow>, 2> rows;
    /// What was observed when the traces were replayed first: of each trace, of the one and of the other.
    std::vector<std::array<replay::AllocatorResult, 2>> observed;
    bool interrupted = false;
};

/// Throws UsageError as replay() and measure() do.
[[nodiscard]] Speed speed(const std::vector<trace::Trace>& traces, const SpeedOptions& options);

/// Memory held over time, and fragmentation, of each trace.
[[nodiscard]] std::string memory_text(const std::vector<trace::Trace>& traces, const Speed& speed);

}  // namespace kmemlab::versus

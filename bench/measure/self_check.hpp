/// A control for comparisons: rows that are measured against themselves, and against themselves with a delay.
///
///     pair/64/slub             the row
///     pair/64/slub-again       the same once more: nothing may differ
///     pair/64/slub-delayed     the same with work put in that takes 5 % of the row's own time: must be found
///
/// The three are one contest each (measure/contest.hpp), so they take turns repetition by repetition.
#pragma once

#include "bench/measure/contest.hpp"

namespace kmemlab {

inline constexpr double planted_delay = 0.05;

struct SelfCheckRow {
    std::string name;
    std::string again;
    std::string delayed;
};

/// Three of each row of `contests` that is named. They refer to it, and do not prepare it. How much work
/// makes the delay is measured here.
[[nodiscard]] Contests self_check_contests(const Contests& contests, const std::vector<std::string>& names);

/// Which of the rows of self_check_contests() belong together.
[[nodiscard]] std::vector<SelfCheckRow> self_check_rows(const std::vector<std::string>& names);

}  // namespace kmemlab

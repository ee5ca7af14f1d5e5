/// Where a curve of cost over size leaves a level: the knees of a pointer chase.
#pragma once

#include <span>
#include <vector>

namespace kmemlab::mapping {

struct Sample {
    double size = 0;  ///< ascending
    double cost = 0;
};

/// The last point before a rise, and the levels on both sides.
struct Knee {
    double size = 0;
    double before = 0;
    double after = 0;
};

/// A plateau begins with three samples that differ by at most `tolerance` (a share of their median) plus
/// `noise` (a cost that says nothing), and goes on while samples do not lie so much above its median. A knee
/// is the last sample of a plateau behind which the cost stays above it; `after` is the next plateau's level,
/// or the last cost if none follows. One sample that sticks out ends no plateau. Steps and ramps both have
/// one knee, where they begin; a curve that rises all the way has none.
[[nodiscard]] std::vector<Knee> find_knees(std::span<const Sample> curve, double tolerance, double noise);

}  // namespace kmemlab::mapping

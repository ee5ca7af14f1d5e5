/// The reducer: makes a program that breaks a law as small and as plain as it can while it still breaks the
/// same law. It works on operations, not on bytes:
///
///     operations    halves, quarters, ... single ones left out
///     schedule      no strike; fewer operations in it; an earlier point
///     numbers       CPU 0, slot 0, plain gfp, smaller sizes and counts
///     set-up        one CPU, default tunables, the least memory, the simplest zones
///
/// and again from the begin until nothing changes any more.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "fuzz/oracle/finding.hpp"
#include "fuzz/program/program.hpp"

namespace kmemlab::fuzz {

/// What a program breaks; nothing: no law.
using Trial = std::function<MaybeFinding(const Program&)>;

struct Reduction {
    Program program;
    Finding finding;
    std::size_t trials = 0;
};

/// `finding` is what `program` breaks. At most `most_trials` trials.
[[nodiscard]] Reduction reduce(const Program& program, const Finding& finding, const Trial& trial,
                               std::size_t most_trials = 20000);

}  // namespace kmemlab::fuzz

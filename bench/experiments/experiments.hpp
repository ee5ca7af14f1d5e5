/// The experiments, each in the file of its name. What a source saw, what we see and why is told by the
/// outcome; docs/experiments.md has them side by side.
#pragma once

#include "bench/experiments/experiment.hpp"

namespace kmemlab::experiments {

[[nodiscard]] Outcome kmalloc_limits(const Options& options);
[[nodiscard]] Outcome struct_page_overhead(const Options& options);

}  // namespace kmemlab::experiments

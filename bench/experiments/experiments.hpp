/// The experiments, each in the file of its name. What a source saw, what we see and why is told by the
/// outcome; docs/experiments.md has them side by side.
#pragma once

#include "bench/experiments/experiment.hpp"

namespace kmemlab::experiments {

[[nodiscard]] Outcome buddy_order3(const Options& options);
[[nodiscard]] Outcome dynamic_kstack(const Options& options);
[[nodiscard]] Outcome frame_sizes(const Options& options);
[[nodiscard]] Outcome kmalloc_limits(const Options& options);
[[nodiscard]] Outcome kstack_usage(const Options& options);
[[nodiscard]] Outcome object_cache(const Options& options);
[[nodiscard]] Outcome per_cpu(const Options& options);
[[nodiscard]] Outcome stack_location(const Options& options);
[[nodiscard]] Outcome struct_page_overhead(const Options& options);
[[nodiscard]] Outcome vmalloc_limits(const Options& options);
[[nodiscard]] Outcome zones(const Options& options);

}  // namespace kmemlab::experiments

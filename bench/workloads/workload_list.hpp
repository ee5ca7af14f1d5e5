/// The workloads, each from its own file, in the order of the table.
#pragma once

#include "bench/workloads/workload.hpp"

namespace kmemlab::workloads {

// page_blocks.cpp
[[nodiscard]] Workload llfree_bulk();
[[nodiscard]] Workload llfree_repeat();
[[nodiscard]] Workload llfree_random();
[[nodiscard]] Workload llfree_frag();
// slab_tests.cpp
[[nodiscard]] Workload slab_fastpath();
[[nodiscard]] Workload slab_pattern();
[[nodiscard]] Workload slab_bulk();
// threads.cpp
[[nodiscard]] Workload larson();
[[nodiscard]] Workload cache_scratch();
[[nodiscard]] Workload cache_thrash();
[[nodiscard]] Workload threadtest();
// crowd.cpp
[[nodiscard]] Workload xmalloc();
[[nodiscard]] Workload messages();
[[nodiscard]] Workload mstress();
// waves.cpp
[[nodiscard]] Workload sh6();
[[nodiscard]] Workload sh8();
// traffic.cpp
[[nodiscard]] Workload hackbench();
[[nodiscard]] Workload network();
// fork_storm.cpp
[[nodiscard]] Workload fork_storm();
// long_run.cpp
[[nodiscard]] Workload long_run();

}  // namespace kmemlab::workloads

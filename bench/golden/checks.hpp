/// The comparisons of single formats; check.hpp chooses among them by the file's content. Each throws as
/// Comparison does.
#pragma once

#include <string>

#include "bench/golden/comparison.hpp"

namespace kmemlab::golden {

/// geometry files of SLUB, SLAB and SLOB: the layout of a cache for every size, alignment and flag.
/// Returns what was inferred of the kernel's parameters, or nothing.
[[nodiscard]] std::string check_geometry(Comparison& comparison);
/// kmalloc files: what serves each size, and the limits.
void check_kmalloc(Comparison& comparison);
/// reap and reapsleep files of SLAB.
void check_reap(Comparison& comparison);
void check_reap_sleep(Comparison& comparison);
/// buddytrace files, and info files, which end behind the state.
void check_page_trace(Comparison& comparison);
/// vmalloctrace, alignvm and stacktrace files.
void check_vmalloc_trace(Comparison& comparison);
void check_aligned_trace(Comparison& comparison);
void check_stack_trace(Comparison& comparison);
/// Listings of all caches of a running kernel. Return what was inferred.
[[nodiscard]] std::string check_slabinfo(Comparison& comparison);
[[nodiscard]] std::string check_sysfs(Comparison& comparison);
/// Planted corruptions: counts of reports, the cache's layout, the kernel's text, the self-test's result.
void check_corruption_counts(Comparison& comparison);
void check_corruption_layout(Comparison& comparison);
void check_corruption_text(Comparison& comparison);
void check_self_test(Comparison& comparison);

}  // namespace kmemlab::golden

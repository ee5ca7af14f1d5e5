/// Where kernels stood when their times were recorded: they had been running for a while, and others held
/// memory. Ours begin empty, where a pair of single pages splits and merges a block of the largest order, and
/// one of SLOB makes and frees a page each time.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "allocators/slob/state.hpp"
#include "bench/golden/page_state.hpp"

namespace kmemlab::peers {

struct KernelStates {
    std::vector<SlobPageState> slob;  ///< pages with free blocks, list by list; empty: not recorded
    std::optional<golden::RecordedZone> pages;
    std::optional<golden::RecordedZone> pages_without_pcp;
};

/// What golden files begin with, by tests/golden/README.md: SLOB's traces of objects, and traces of pages on
/// one CPU, with or without the lists per CPU. Throws UsageError for any other file.
[[nodiscard]] KernelStates read_states(std::span<const std::string> files);

}  // namespace kmemlab::peers

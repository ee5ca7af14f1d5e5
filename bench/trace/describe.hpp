/// What a trace holds, as text for people (`kmemlab trace info FILE`) and as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

#include "bench/trace/trace.hpp"

namespace kmemlab::trace {

/// Counts per event, sizes, caches, lifetimes, call sites, CPUs, what could not be matched. As JSON: bytes,
/// lifetimes in microseconds; histograms are lists of [lower bound, count] by powers of two.
[[nodiscard]] nlohmann::json describe_json(const Trace& trace);
/// The same as text, lines ending in '\n'; the longest tables are cut to their top entries.
[[nodiscard]] std::string describe(const Trace& trace);

}  // namespace kmemlab::trace

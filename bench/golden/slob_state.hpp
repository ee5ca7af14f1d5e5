/// The state of SLOB's lists that its traces begin with: a row P for each page with free blocks, in the order
/// of the lists, followed by a row B for each of these,
///
///     0,P,0,page,free units,0,0,list
///     0,B,0,page,offset in bytes,0,units,list
///
/// A unit is two bytes.
#pragma once

#include <cstddef>
#include <vector>

#include "allocators/slob/state.hpp"
#include "bench/golden/golden_file.hpp"

namespace kmemlab::golden {

/// Rows P and B from line `line` on, up to the first that is neither. Throws UsageError, naming the line, for
/// what could not be put into a page; what else may be wrong shows when rows are compared with what was made
/// of them.
[[nodiscard]] std::vector<SlobPageState> read_slob_state(const GoldenFile& file, std::size_t line);

}  // namespace kmemlab::golden

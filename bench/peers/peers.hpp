/// `kmemlab peers`: our allocators beside the mallocs that everybody knows, in one run.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "bench/peers/contestant.hpp"

namespace kmemlab::peers {

using Rows = std::vector<ContestRow>;

/// Medians and spreads of the CPU time, which other work on the machine lengthens least, and how each row
/// compares with the floor and with the best peer of its work and size.
[[nodiscard]] std::string table(const Rows& rows);

/// The bars that the project has set itself, each with the ratio measured: empty if their rows are missing.
[[nodiscard]] std::string bars(const Rows& rows);

/// Rows in the form of Google Benchmark (docs/results.md), with a member `peers`.
[[nodiscard]] Json to_json(const Rows& rows, std::span<const PeerLibrary> libraries,
                           const std::string& command);

}  // namespace kmemlab::peers

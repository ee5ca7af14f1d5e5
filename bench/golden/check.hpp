/// Asks our models what a golden file asked a real kernel, and compares every answer. The format and the
/// allocator are recognised by the file's content, the configuration is taken from its parameters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bench/golden/comparison.hpp"
#include "bench/golden/golden_file.hpp"

namespace kmemlab::golden {

/// Who runs on the CPUs of a replay; no decision may depend on it.
enum class Context : std::uint8_t { owned, simulated };

struct Verdict {
    std::uint64_t rows = 0;                ///< compared
    std::uint64_t differing = 0;           ///< of them
    std::uint64_t all = 0;                 ///< that could have been compared
    std::optional<Difference> difference;  ///< the first; nothing: all rows agree
    std::string skipped;                   ///< why there is nothing to compare with; empty: there is
    std::string note;                      ///< one line on what was inferred; mostly empty
};

/// Throws UsageError, naming file and line, if the file is of no known format or not well-formed.
[[nodiscard]] Verdict check(const GoldenFile& file, Context context = Context::owned,
                            Extent extent = Extent::to_first_difference);

}  // namespace kmemlab::golden

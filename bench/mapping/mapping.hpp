/// `kmemlab mapping`: what it costs to map memory and to reach it, on the host's MMU and on the played one.
/// docs/mapping.md tells how to read the rows.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "bench/mapping/works.hpp"

namespace kmemlab::mapping {

/// All rows, group by group.
[[nodiscard]] Contests all_contests(const Setup& setup);

using Rows = std::vector<ContestRow>;

/// Medians and spreads of the CPU time.
[[nodiscard]] std::string table(const Rows& rows);

/// A bar that the project has set itself: the figure that was measured, and what it must not pass.
struct Bar {
    std::string what;
    double found = 0;
    double limit = 0;
    [[nodiscard]] bool met() const { return found <= limit; }
};
/// Those whose rows were measured.
[[nodiscard]] std::vector<Bar> bars(const Rows& rows);

/// Table and bars.
[[nodiscard]] std::string to_text(const Rows& rows);
/// In the form of Google Benchmark (docs/results.md), with a member `mapping`.
[[nodiscard]] Json to_json(const Rows& rows, Setup setup, const std::string& command);

}  // namespace kmemlab::mapping

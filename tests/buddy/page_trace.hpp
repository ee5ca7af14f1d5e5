/// Replays a golden page trace (buddytrace files of tests/golden): puts a buddy allocator into the recorded
/// state, does what the kernel did, and compares each answer and the state at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kmemlab::test {

struct PageTraceResult {
    std::uint64_t rows = 0;  ///< operations and state rows compared
    std::string difference;  ///< the first one, with both answers; empty: none
    std::string violation;   ///< what find_violation said at the end; empty: nothing
};

/// `text` is the content of a file, of one CPU or of several.
[[nodiscard]] PageTraceResult replay_page_trace(std::string_view text);

}  // namespace kmemlab::test

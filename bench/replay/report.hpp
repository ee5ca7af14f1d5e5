/// What a replay found, as JSON (docs/results.md) and as a table for people.
#pragma once

#include <string>

#include "bench/measure/environment.hpp"
#include "bench/replay/replay.hpp"

namespace kmemlab::replay {

/// The whole result file. `file` is the trace as the user named it.
[[nodiscard]] Json to_json(const Result& result, const trace::Trace& trace, const std::string& file,
                           const std::string& command);

/// Lines ending in '\n'.
[[nodiscard]] std::string to_text(const Result& result, const trace::Trace& trace);

}  // namespace kmemlab::replay

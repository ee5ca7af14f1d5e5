/// What `kmemlab scale` found, as JSON (docs/results.md) and as a table for people.
#pragma once

#include <string>

#include "bench/measure/environment.hpp"
#include "bench/scale/scale.hpp"

namespace kmemlab::scale {

/// The whole result file.
[[nodiscard]] Json to_json(const Result& result, const std::string& command);

/// Lines ending in '\n'; counts are per 1000 operations.
[[nodiscard]] std::string to_text(const Result& result);

}  // namespace kmemlab::scale

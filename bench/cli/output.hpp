/// Standard output, checked: a full disk behind it is an error as behind any other file.
#pragma once

#include <optional>
#include <string_view>

#include "bench/measure/result_file.hpp"

namespace kmemlab::cli {

/// Writes and flushes. Throws UsageError naming the system's reason if that fails.
void print(std::string_view text);

/// Completes `file`, if there is one, with `json`, and prints `text`: also if the file cannot be completed,
/// so that what was measured is not lost. Throws UsageError as either does.
void deliver(std::optional<ResultFile>& file, std::string_view json, std::string_view text);

}  // namespace kmemlab::cli

/// Standard output, checked: a full disk behind it is an error as behind any other file.
#pragma once

#include <optional>
#include <string_view>

#include "bench/measure/result_file.hpp"

namespace kmemlab::cli {

/// Writes and flushes. Throws UsageError naming the system's reason if that fails.
void print(std::string_view text);

/// Tells on standard error, in one line, why something cannot be used: the first line of `what`, since some
/// libraries explain at length, then `hint`. Returns exit_usage.
int complain(std::string_view what, std::string_view hint = "");

/// Completes `file`, if there is one, with `json`, and prints `text`: also if the file cannot be completed,
/// so that what was measured is not lost. Throws UsageError as either does.
void deliver(std::optional<ResultFile>& file, std::string_view json, std::string_view text);

}  // namespace kmemlab::cli

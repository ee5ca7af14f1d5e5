/// Standard output, checked: a full disk behind it is an error as behind any other file.
#pragma once

#include <string_view>

namespace kmemlab::cli {

/// Writes and flushes. Throws UsageError naming the system's reason if that fails.
void print(std::string_view text);

}  // namespace kmemlab::cli

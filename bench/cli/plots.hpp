/// The Python beside this program, started by commands whose last step it has: plots/, and what builds
/// kernels.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kmemlab::cli {

/// The words of `python3 -m plots COMMAND`, to which options may be added. Throws UsageError if plots/ is not
/// there.
[[nodiscard]] std::vector<std::string> plots_words(std::string command);

/// The same of `bench/guests/build.py COMMAND`.
[[nodiscard]] std::vector<std::string> guests_words(std::string command);

/// Becomes what these words say, whose status is ours: returns only by a UsageError, if Python cannot be
/// started.
int run_python(std::vector<std::string> words);

/// The name of a file without a place on the disk, which the program that this one becomes can read. Throws
/// UsageError if there is no memory for it.
[[nodiscard]] std::string in_memory(const char* name, std::string_view text);

}  // namespace kmemlab::cli

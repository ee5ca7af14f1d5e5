/// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace kmemlab::trace {

using Bytes = std::span<const std::byte>;

/// Writes `parts` one after another to a temporary file beside `path`, forces it to the disk and renames it.
/// A path that exists and is no regular file (a pipe, a device) is written in place. Throws UsageError,
/// one line, if any step fails; then the temporary file is gone and an older file at `path` is as it was.
void write_whole_file(const std::string& path, std::span<const Bytes> parts);

}  // namespace kmemlab::trace

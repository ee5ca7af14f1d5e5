/// Changes of a recording's text that its reader may like: lines of the events that it knows, over and over
/// again with the same few addresses, and with numbers at the bounds of their fields.
#pragma once

#include <string>

#include "fuzz/program/mutator.hpp"

namespace kmemlab::fuzz {

/// A line, with its end, as `cat trace` shows it.
[[nodiscard]] std::string random_trace_line(Random& random);
/// A line comes, goes, is there twice or changes its place.
[[nodiscard]] std::string mutate_trace(std::string text, Random& random);

}  // namespace kmemlab::fuzz

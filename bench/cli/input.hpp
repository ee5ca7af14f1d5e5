/// Traces as commands take them: a recording, or a workload that is made for the occasion.
#pragma once

#include <string>

#include "bench/trace/trace.hpp"

namespace kmemlab::cli {

inline constexpr const char* input_help =
    "Recording: text of ftrace, trace-cmd or perf, plain or compressed by zstd or gzip, or packed; - reads "
    "standard input; workload:NAME,KEY=VALUE,... is made (`kmemlab workload list`)";

/// Throws UsageError, one line. A progress line tells how far reading is.
[[nodiscard]] trace::Trace read_input(const std::string& name);

}  // namespace kmemlab::cli

/// Workloads: what the literature and kernel developers drive allocators with, as traces that a replay takes
/// like recorded ones. `workload:larson,threads=8,seed=3` may stand wherever a trace file may.
///
///     all_workloads()    the table: name, one sentence, source, parameters
///     make_trace     plays one, and gives its operations (bench/trace/trace.hpp)
///
/// A workload has threads, and thread k runs on CPU k. They take turns, round and round, in the order of
/// their numbers, and nobody interrupts a turn; how much a turn is, each workload says (WorkloadInfo::turn).
/// So one list of operations stands for all threads, and parameters and seed decide it. When its
/// operations with the frees of what lives are as many as were asked for (`ops`, up to a turn), it ends:
/// everything is freed, the oldest first, on the CPU that allocated it, or as the workload says.
///
/// To add one: a class in a file of its own (play.hpp tells what it needs), its declaration in
/// workload_list.hpp, a line in the table of workload.cpp and one in docs/workloads.md.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/base/tunable.hpp"
#include "bench/trace/trace.hpp"

namespace kmemlab::workloads {

struct WorkloadInfo {
    std::string_view name;
    std::string_view what;    ///< one sentence
    std::string_view source;  ///< who described it
    std::string_view asks;    ///< what for: "objects", "caches", "pages", ...
    std::string_view turn;    ///< what a thread does in one turn
};

struct Parameter {
    std::string key;
    std::string help;
    std::string accepted;
    std::string value;  ///< if it is not given
};

struct Workload {
    WorkloadInfo info;
    std::vector<Parameter> (*parameters)();
    /// Throws UsageError that names the valid keys or values.
    trace::Trace (*make)(std::span<const Setting> settings);
};

[[nodiscard]] std::span<const Workload> all_workloads();
/// Throws UsageError that lists the names.
[[nodiscard]] const Workload& find_workload(std::string_view name);

/// True if `text` is meant as a workload, not as a file: it begins with "workload:".
[[nodiscard]] bool is_workload(std::string_view text);
/// The trace of "workload:NAME,KEY=VALUE,...", named by what stands behind the colon. Throws UsageError.
[[nodiscard]] trace::Trace make_trace(std::string_view text);

}  // namespace kmemlab::workloads

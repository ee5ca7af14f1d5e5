#include "bench/scale/report.hpp"

#include <fmt/format.h>

namespace kmemlab::scale {
namespace {

Json path_counts(const PathCounts& counts) {
    Json object = Json::object();
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] != 0) object[std::string{to_string(static_cast<Path>(i))}] = counts[i];
    }
    return object;
}

Json row_json(const Row& row) {
    return {{"allocator", row.allocator},
            {"follows", row.follows},
            {"pattern", to_string(row.pattern)},
            {"cpus", row.cpus},
            {"operations", row.operations},
            {"failures", row.allocated_by(Path::failed)},
            {"fast_allocations", row.allocated_by(Path::fast)},
            {"fast_frees", row.freed_by(Path::fast)},
            {"refills", row.traffic.refills},
            {"flushes", row.traffic.flushes},
            {"shared_batches", row.shared_batches()},
            {"allocation_node_locks", row.allocation_node_locks},
            {"free_node_locks", row.free_node_locks},
            {"zone_locks", row.zone_locks},
            {"remote_frees", row.remote_frees},
            {"paths", {{"allocations", path_counts(row.allocations)}, {"frees", path_counts(row.frees)}}},
            {"violation", row.violation ? Json(*row.violation) : Json(nullptr)}};
}

constexpr const char* head =
    "allocator        cpus  operations     fast  refills  flushes   shared  locks: alloc     free     zone  "
    "remote frees\n";

std::string line(const Row& row) {
    const auto rate = [&](std::uint64_t count) {
        return 1e3 * static_cast<double>(count) / static_cast<double>(row.operations);
    };
    return fmt::format(
        "{:<15}{:>6}{:>12}{:>9.1f}{:>9.2f}{:>9.2f}{:>9.2f}{:>14.2f}{:>9.2f}{:>9.2f}{:>14.1f}\n",
        row.allocator, row.cpus, row.operations,
        rate(row.allocated_by(Path::fast) + row.freed_by(Path::fast)), rate(row.traffic.refills),
        rate(row.traffic.flushes), rate(row.shared_batches()), rate(row.allocation_node_locks),
        rate(row.free_node_locks), rate(row.zone_locks), rate(row.remote_frees));
}

/// What casts doubt on a row.
std::string remark(const Row& row) {
    std::string text;
    if (const std::uint64_t failures = row.allocated_by(Path::failed); failures != 0)
        text +=
            fmt::format("  {} allocations got nothing: give more by --set machine.arena=SIZE\n", failures);
    if (row.violation) text += fmt::format("  VIOLATION    {}\n", *row.violation);
    return text;
}

}  // namespace

Json to_json(const Result& result, const std::string& command) {
    Json rows = Json::array();
    for (const Row& row : result.rows) rows.push_back(row_json(row));
    return {{"context", context(command, result.tunables)},
            {"benchmarks", Json::array()},
            {"scale",
             {{"size", result.options.size},
              {"operations_per_cpu", result.options.operations_per_cpu},
              {"seed", result.options.seed},
              {"rows", rows}}}};
}

std::string to_text(const Result& result) {
    std::string text = fmt::format("objects of {} bytes, {} operations a CPU, counts per 1000 operations\n",
                                   result.options.size, result.options.operations_per_cpu);
    const Row* before = nullptr;
    for (const Row& row : result.rows) {
        if (before == nullptr || before->pattern != row.pattern)
            text += fmt::format("\n{}\n{}", to_string(row.pattern), head);
        text += line(row) + remark(row);
        before = &row;
    }
    return text;
}

}  // namespace kmemlab::scale

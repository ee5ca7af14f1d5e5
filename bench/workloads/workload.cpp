#include "bench/workloads/workload.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "allocators/base/check.hpp"
#include "bench/workloads/workload_list.hpp"

namespace kmemlab::workloads {
namespace {

constexpr std::string_view prefix = "workload:";

/// The parts of a text between its commas.
std::vector<std::string_view> parts_of(std::string_view text) {
    std::vector<std::string_view> parts;
    for (auto comma = text.find(','); comma != std::string_view::npos; comma = text.find(',')) {
        parts.push_back(text.substr(0, comma));
        text.remove_prefix(comma + 1);
    }
    parts.push_back(text);
    return parts;
}

Setting setting_of(std::string_view name, std::string_view text) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0)
        throw UsageError::of("workload {}: '{}': expected key=value", name, text);
    return {std::string{text.substr(0, equals)}, std::string{text.substr(equals + 1)}};
}

}  // namespace

std::span<const Workload> all_workloads() {
    static const std::array table{llfree_bulk(),   llfree_repeat(), llfree_random(), llfree_frag(),
                                  slab_fastpath(), slab_pattern(),  slab_bulk(),     larson(),
                                  cache_scratch(), cache_thrash(),  threadtest(),    xmalloc(),
                                  messages(),      mstress(),       sh6(),           sh8(),
                                  hackbench(),     network(),       fork_storm(),    long_run()};
    return table;
}

const Workload& find_workload(std::string_view name) {
    std::vector<std::string_view> names;
    for (const Workload& workload : all_workloads()) {
        if (workload.info.name == name) return workload;
        names.push_back(workload.info.name);
    }
    throw UsageError::of("no workload '{}'; there are: {}", name, fmt::join(names, ", "));
}

bool is_workload(std::string_view text) {
    return text.starts_with(prefix);
}

trace::Trace make_trace(std::string_view text) {
    text.remove_prefix(prefix.size());
    const std::vector<std::string_view> parts = parts_of(text);
    const Workload& workload = find_workload(parts.front());
    std::vector<Setting> settings;
    for (std::size_t i = 1; i < parts.size(); ++i) settings.push_back(setting_of(parts.front(), parts[i]));
    trace::Trace trace = workload.make(settings);
    trace.name = text;
    return trace;
}

}  // namespace kmemlab::workloads

#include <fmt/format.h>

#include "bench/mapping/mapping.hpp"
#include "bench/measure/summary.hpp"

namespace kmemlab::mapping {
namespace {

void add_bar(std::vector<Bar>& bars, const Rows& rows, const std::string& ours, const std::string& other,
             double limit) {
    const auto mine = median_of(rows, ours);
    const auto theirs = median_of(rows, other);
    if (mine && theirs) bars.push_back({fmt::format("{} / {}", ours, other), *mine / *theirs, limit});
}

Json counts_of(const ContestRow& row) {
    Json counts = Json::object();
    for (const auto& [name, count] : row.counts) counts[name] = count;
    return counts;
}

Json summary(const ContestRow& row) {
    return {{"name", row.name},
            {"median_ns", median(row.cpu_nanoseconds)},
            {"spread_percent", spread_percent(row.cpu_nanoseconds)},
            {"counts", counts_of(row)}};
}

Json summary(const Bar& bar) {
    return {{"what", bar.what}, {"found", bar.found}, {"limit", bar.limit}, {"met", bar.met()}};
}

}  // namespace

std::string table(const Rows& rows) {
    std::string text = fmt::format("{:<44} {:>12} {:>8}\n", "work/size/who", "ns", "spread");
    for (const ContestRow& row : rows) {
        text += fmt::format("{:<44} {:>12.2f} {:>7.1f}%\n", row.name, median(row.cpu_nanoseconds),
                            spread_percent(row.cpu_nanoseconds));
    }
    return text;
}

std::vector<Bar> bars(const Rows& rows) {
    std::vector<Bar> bars;
    add_bar(bars, rows, "vmalloc/16384/host", "vmalloc/16384/mmap", 0.8);
    add_bar(bars, rows, "vmalloc/1048576/host", "vmalloc/1048576/mmap", 0.4);
    for (const auto* size : {"16384", "1048576"}) {
        add_bar(bars, rows, fmt::format("vmalloc/{}/host", size), fmt::format("vmalloc/{}/bare", size), 1.2);
    }
    return bars;
}

std::string to_text(const Rows& rows) {
    std::string text = table(rows);
    for (const Bar& bar : bars(rows)) {
        text += fmt::format("{}: {:.2f}, at most {:.2f} wanted: {}\n", bar.what, bar.found, bar.limit,
                            bar.met() ? "met" : "missed");
    }
    return text;
}

Json to_json(const Rows& rows, Setup setup, const std::string& command) {
    Json summaries = Json::array();
    for (const ContestRow& row : rows) summaries.push_back(summary(row));
    Json found = Json::array();
    for (const Bar& bar : bars(rows)) found.push_back(summary(bar));
    std::vector<Setting> settings;
    for (const Tunable& tunable : setup.machine.tunables()) settings.push_back({tunable.key, tunable.get()});
    return {{"context", context(command, settings)},
            {"benchmarks", benchmark_rows(rows)},
            {"mapping", {{"tlb", setup.tlb.name}, {"rows", summaries}, {"bars", found}}}};
}

}  // namespace kmemlab::mapping

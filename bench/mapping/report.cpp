#include <fmt/format.h>

#include <algorithm>

#include "bench/mapping/access.hpp"
#include "bench/mapping/event_counter.hpp"
#include "bench/mapping/huge_pages.hpp"
#include "bench/mapping/mapping.hpp"
#include "bench/measure/summary.hpp"

namespace kmemlab::mapping {
namespace {

void add_bar(std::vector<Bar>& bars, const Rows& rows, const std::string& ours, const std::string& other,
             double limit) {
    const ContestRow* const mine = find_row(rows, ours);
    if (mine == nullptr) return;
    if (const auto found = ratio(*mine, find_row(rows, other)))
        bars.push_back({fmt::format("{} / {}", ours, other), *found, limit});
}

/// The slowest of the rows that translate in software: at least ten million a second are wanted.
void add_translation_bar(std::vector<Bar>& bars, const Rows& rows) {
    constexpr double wanted_ns = 100;
    const ContestRow* slowest = nullptr;
    for (const ContestRow& row : rows) {
        if (!row.name.starts_with("access/") || row.name.find("/soft-") == std::string::npos) continue;
        if (slowest == nullptr || median(row.cpu_nanoseconds) > median(slowest->cpu_nanoseconds))
            slowest = &row;
    }
    if (slowest == nullptr) return;
    bars.push_back({fmt::format("{} in ns", slowest->name), median(slowest->cpu_nanoseconds), wanted_ns});
}

/// A cached stack costs its clearing and little more.
void add_reuse_bar(std::vector<Bar>& bars, const Rows& rows) {
    constexpr double wanted_ns = 50;
    const auto reuse = median_of(rows, "stack-reuse/16384/vmap");
    const auto clear = median_of(rows, "stack-reuse/16384/clear");
    if (!reuse || !clear) return;
    bars.push_back({"stack-reuse/16384: vmap less clear, in ns", *reuse - *clear, wanted_ns});
}

bool has_chase(const Rows& rows) {
    return std::any_of(rows.begin(), rows.end(), [](const ContestRow& row) {
        return row.name.starts_with("access/") && row.name.find("/soft-") == std::string::npos;
    });
}

/// What of the chase this machine lacks.
std::vector<std::string> missing(const Rows& rows) {
    std::vector<std::string> notes;
    if (!has_chase(rows)) return notes;
    const auto note = [&](const char* who, const HugePages& pages) {
        if (!pages.available)
            notes.push_back(fmt::format("no {} rows: no huge page was given ({})", who, pages.how));
    };
    note("direct-2m", huge_anonymous());
    note("vmalloc-2m", huge_mappings_of_arena());
    const EventCounter misses{Event::data_tlb_load_misses};
    if (!misses.works())
        notes.push_back("TLB misses are not counted by the hardware here: " + misses.reason());
    return notes;
}

std::string access_text(const Rows& rows) {
    const Curves curves = access_curves(rows);
    std::string text;
    for (const NamedKnee& named : named_knees(curves)) {
        text += fmt::format("knee of {}: {} behind {:.0f} {}, {:.2f} -> {:.2f}\n", named.who, named.name,
                            named.knee.size, named.who == "lines" ? "lines" : "pages", named.knee.before,
                            named.knee.after);
    }
    const std::string reach = reach_statement(curves);
    return reach.empty() ? text : text + reach + "\n";
}

Json access_json(const Rows& rows) {
    const Curves curves = access_curves(rows);
    Json knees = Json::array();
    for (const NamedKnee& named : named_knees(curves)) {
        knees.push_back({{"who", named.who},
                         {"name", named.name},
                         {"size", named.knee.size},
                         {"before", named.knee.before},
                         {"after", named.knee.after}});
    }
    return {{"knees", knees}, {"reach", reach_statement(curves)}};
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
    add_translation_bar(bars, rows);
    add_reuse_bar(bars, rows);
    return bars;
}

std::string to_text(const Rows& rows) {
    std::string text = table(rows);
    for (const std::string& note : missing(rows)) text += note + "\n";
    text += access_text(rows);
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
    for (const Tunable& tunable : setup.machine.tunables())
        settings.push_back({std::string{tunable.key}, tunable.get()});
    return {{"context", context(command, settings)},
            {"benchmarks", benchmark_rows(rows)},
            {"mapping",
             {{"tlb", setup.tlb.name},
              {"notes", missing(rows)},
              {"rows", summaries},
              {"bars", found},
              {"access", access_json(rows)}}}};
}

}  // namespace kmemlab::mapping

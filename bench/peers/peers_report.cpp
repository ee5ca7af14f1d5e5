#include <fmt/format.h>

#include <array>
#include <optional>
#include <string_view>

#include "allocators/contract/registry.hpp"
#include "bench/measure/summary.hpp"
#include "bench/peers/peers.hpp"

namespace kmemlab::peers {
namespace {

constexpr std::array<std::string_view, 3> best_mallocs{"jemalloc", "mimalloc", "tcmalloc"};

/// Rows of kernel_times.hpp have a table of their own.
bool is_peer(const ContestRow& row) {
    return !row.name.starts_with("kernel-");
}

struct NameParts {
    std::string work_and_size;
    std::string who;
};

NameParts parts(const std::string& name) {
    const auto slash = name.rfind('/');
    return {name.substr(0, slash), name.substr(slash + 1)};
}

/// To that of the mallocs that are known to be fast which the row does worst against.
std::optional<double> ratio_to_best(const Rows& rows, const ContestRow& row,
                                    const std::string& work_and_size) {
    std::optional<double> worst;
    for (const auto who : best_mallocs) {
        const auto found = ratio(row, find_row(rows, fmt::format("{}/{}", work_and_size, who)));
        if (found && (!worst || *found > *worst)) worst = found;
    }
    return worst;
}
std::optional<double> ratio_to_floor(const Rows& rows, const ContestRow& row) {
    return ratio(row, find_row(rows, "pair/64/floor"));
}

/// "A / B: 0.41, at most 0.50 wanted: met"; empty if one of the two was not measured.
std::string bar(const std::string& ours, const std::string& base, std::optional<double> found, double limit) {
    if (!found) return {};
    return fmt::format("{} / {}: {:.2f}, at most {:.2f} wanted: {}\n", ours, base, *found, limit,
                       *found <= limit ? "met" : "missed");
}
std::string bar(const Rows& rows, const std::string& ours, const std::string& base, double limit) {
    const ContestRow* const row = find_row(rows, ours);
    return row == nullptr ? "" : bar(ours, base, ratio(*row, find_row(rows, base)), limit);
}
std::string bar_to_best(const Rows& rows, const std::string& ours, const std::string& work, double limit) {
    const ContestRow* const row = find_row(rows, ours);
    return row == nullptr
               ? ""
               : bar(ours, fmt::format("best malloc of {}", work), ratio_to_best(rows, *row, work), limit);
}

/// Ours among the libraries: each work against the best of the others.
std::string malloc_bars(const Rows& rows) {
    std::string text;
    std::vector<double> ratios;
    for (const ContestRow& row : rows) {
        const auto [work, who] = parts(row.name);
        if (who != own_malloc || !work.starts_with("malloc-")) continue;
        const auto found = ratio_to_best(rows, row, work);
        if (!found) continue;
        text += bar(row.name, "best malloc", found, 1.0);
        ratios.push_back(*found);
    }
    if (ratios.empty()) return text;
    const double middle = median(ratios);
    return text + fmt::format("malloc-*/{}, the median of all: {:.2f}, at most 0.80 wanted: {}\n", own_malloc,
                              middle, middle <= 0.8 ? "met" : "missed");
}

Json library_facts(const PeerLibrary& library) {
    return {{"name", library.name},
            {"file", library.file.empty() ? Json(nullptr) : Json(library.file)},
            {"absent", library.absent.empty() ? Json(nullptr) : Json(library.absent)}};
}

Json summary(const Rows& rows, const ContestRow& row) {
    const auto [work_and_size, who] = parts(row.name);
    const double middle = median(row.cpu_nanoseconds);
    const auto or_null = [](std::optional<double> found) { return found ? Json(*found) : Json(nullptr); };
    return {{"name", row.name},
            {"median_ns", middle},
            {"spread_percent", spread_percent(row.cpu_nanoseconds)},
            {"against_floor", or_null(ratio_to_floor(rows, row))},
            {"against_best_peer", or_null(ratio_to_best(rows, row, work_and_size))}};
}

std::vector<Setting> tunables_in_use() {
    std::vector<Setting> settings;
    for (const std::string& name : model_names()) {
        for (const TunableValue& tunable : tunables_of(name))
            settings.push_back({tunable.key, tunable.value});
    }
    return settings;
}

}  // namespace

std::string table(const Rows& rows) {
    std::string text = fmt::format("{:<36} {:>9} {:>8} {:>8} {:>10}\n", "work/size/allocator", "ns", "spread",
                                   "/ floor", "/ best peer");
    const auto shown = [](std::optional<double> found) {
        return found ? fmt::format("{:.2f}", *found) : std::string{"-"};
    };
    for (const ContestRow& row : rows) {
        if (!is_peer(row)) continue;
        const double middle = median(row.cpu_nanoseconds);
        text += fmt::format("{:<36} {:>9.2f} {:>7.1f}% {:>8} {:>10}\n", row.name, middle,
                            spread_percent(row.cpu_nanoseconds), shown(ratio_to_floor(rows, row)),
                            shown(ratio_to_best(rows, row, parts(row.name).work_and_size)));
    }
    return text;
}

std::string bars(const Rows& rows) {
    std::string text;
    for (const auto* how : {"", "-call"}) {
        text += bar_to_best(rows, fmt::format("pair/64/slub{}", how), "pair/64", 0.5);
        text += bar_to_best(rows, fmt::format("pair/4096/buddy{}", how), "pair/64", 1.0);
    }
    text += bar(rows, "pair/64/slub", "pair/64/floor", 2.5);
    text += bar(rows, "pair/64/slub-rseq", "pair/64/floor-rseq", 2.0);
    text += bar(rows, "pair/64/slab", "pair/64/slub", 1.5);
    text += bar(rows, "pair/4096/buddy-1cpu", "pair/64/floor", 5.0);
    text += bar(rows, "pair/2097152/buddy-1cpu", "pair/64/floor", 25.0);
    text += bar(rows, "batch16384-fifo/4096/buddy-1cpu", "pair/64/floor", 20.0);
    return text + malloc_bars(rows);
}

Json to_json(const Rows& rows, std::span<const PeerLibrary> libraries, const std::string& command) {
    Json summaries = Json::array();
    for (const ContestRow& row : rows) {
        if (is_peer(row)) summaries.push_back(summary(rows, row));
    }
    Json facts = Json::array();
    for (const PeerLibrary& library : libraries) facts.push_back(library_facts(library));
    return {{"context", context(command, tunables_in_use())},
            {"benchmarks", benchmark_rows(rows)},
            {"peers", {{"libraries", facts}, {"rows", summaries}}}};
}

}  // namespace kmemlab::peers

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

/// The least median of the mallocs that are known to be fast.
std::optional<double> best_peer(const Rows& rows, const std::string& work_and_size) {
    std::optional<double> best;
    for (const auto who : best_mallocs) {
        const auto ns = median_of(rows, fmt::format("{}/{}", work_and_size, who));
        if (ns && (!best || *ns < *best)) best = ns;
    }
    return best;
}

std::string ratio(double value, std::optional<double> base) {
    return base && *base > 0 ? fmt::format("{:.2f}", value / *base) : "-";
}

/// "A / B: 0.41, at most 0.50 wanted: met"; empty if one of the two was not measured.
std::string bar(const Rows& rows, const std::string& ours, const std::string& base_name,
                std::optional<double> base, double limit) {
    const auto mine = median_of(rows, ours);
    if (!mine || !base) return {};
    const double found = *mine / *base;
    return fmt::format("{} / {}: {:.2f}, at most {:.2f} wanted: {}\n", ours, base_name, found, limit,
                       found <= limit ? "met" : "missed");
}
std::string bar(const Rows& rows, const std::string& ours, const std::string& base, double limit) {
    return bar(rows, ours, base, median_of(rows, base), limit);
}

/// Ours among the libraries: each work against the best of the others.
std::string malloc_bars(const Rows& rows) {
    std::string text;
    std::vector<double> ratios;
    for (const ContestRow& row : rows) {
        const auto [work, who] = parts(row.name);
        if (who != own_malloc || !work.starts_with("malloc-")) continue;
        const auto best = best_peer(rows, work);
        if (!best) continue;
        text += bar(rows, row.name, "best malloc", best, 1.0);
        ratios.push_back(median(row.cpu_nanoseconds) / *best);
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
    const auto against = [&](std::optional<double> base) {
        return base && *base > 0 ? Json(middle / *base) : Json(nullptr);
    };
    return {{"name", row.name},
            {"median_ns", middle},
            {"spread_percent", spread_percent(row.cpu_nanoseconds)},
            {"against_floor", against(median_of(rows, "pair/64/floor"))},
            {"against_best_peer", against(best_peer(rows, work_and_size))}};
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
    const auto floor = median_of(rows, "pair/64/floor");
    for (const ContestRow& row : rows) {
        if (!is_peer(row)) continue;
        const double middle = median(row.cpu_nanoseconds);
        text += fmt::format("{:<36} {:>9.2f} {:>7.1f}% {:>8} {:>10}\n", row.name, middle,
                            spread_percent(row.cpu_nanoseconds), ratio(middle, floor),
                            ratio(middle, best_peer(rows, parts(row.name).work_and_size)));
    }
    return text;
}

std::string bars(const Rows& rows) {
    std::string text;
    for (const auto* how : {"", "-call"}) {
        const auto best = best_peer(rows, "pair/64");
        text += bar(rows, fmt::format("pair/64/slub{}", how), "best malloc of pair/64", best, 0.5);
        text += bar(rows, fmt::format("pair/4096/buddy{}", how), "best malloc of pair/64", best, 1.0);
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

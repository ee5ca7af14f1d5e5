#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "bench/mapping/access.hpp"
#include "bench/measure/summary.hpp"

namespace kmemlab::mapping {
namespace {

constexpr std::string_view prefix = "access/";
constexpr double tolerance = 0.15;

/// Lookups behind the first level, and references to page tables, of one translation.
double soft_cost(const Counts& counts) {
    double cost = 0;
    double units = 1;
    for (const auto& [name, count] : counts) {
        if (name == "units") units = static_cast<double>(count);
        if (name == "l2_hits" || name == "walks" || name == "walk_steps") cost += static_cast<double>(count);
    }
    return cost / units;
}

bool is_soft(const std::string& who) {
    return who.starts_with("soft-");
}

/// The least cost of all host kinds: a hit of the first data cache.
double hit_of(const Curves& curves) {
    double least = 0;
    for (const auto& [who, curve] : curves) {
        if (is_soft(who)) continue;
        for (const Sample& sample : curve) least = least == 0 ? sample.cost : std::min(least, sample.cost);
    }
    return least;
}

/// Without what as many lines cost, never below 0.
std::vector<Sample> translation_cost(const std::vector<Sample>& curve, const std::vector<Sample>& lines) {
    std::vector<Sample> rest;
    for (const Sample& sample : curve) {
        const auto same = std::find_if(lines.begin(), lines.end(),
                                       [&](const Sample& line) { return line.size == sample.size; });
        if (same != lines.end()) rest.push_back({sample.size, std::max(0.0, sample.cost - same->cost)});
    }
    return rest;
}

std::string name_of(const std::string& who, std::size_t number) {
    static constexpr std::array<std::string_view, 2> levels{"L1", "L2"};
    if (who == "lines") return fmt::format("L{} cache", number + 1);
    if (number < levels.size()) return fmt::format("{} TLB", levels[number]);
    return is_soft(who) ? "paging-structure caches" : "page tables leave a cache";
}

/// The translation cost of a kind, of host or soft.
std::vector<Sample> curve_of(const Curves& curves, const std::string& who) {
    const auto found = curves.find(who);
    if (found == curves.end()) return {};
    if (is_soft(who) || who == "lines") return found->second;
    const auto lines = curves.find("lines");
    return lines == curves.end() ? std::vector<Sample>{} : translation_cost(found->second, lines->second);
}

double noise_of(const Curves& curves, const std::string& who) {
    return is_soft(who) ? 0.05 : 0.3 * hit_of(curves);
}

}  // namespace

Curves access_curves(const std::vector<ContestRow>& rows) {
    Curves curves;
    for (const ContestRow& row : rows) {
        if (!row.name.starts_with(prefix)) continue;
        const auto slash = row.name.rfind('/');
        const std::string who = row.name.substr(slash + 1);
        double pages = 0;
        std::from_chars(row.name.data() + prefix.size(), row.name.data() + slash, pages);
        curves[who].push_back({pages, is_soft(who) ? soft_cost(row.counts) : median(row.cpu_nanoseconds)});
    }
    return curves;
}

std::vector<NamedKnee> named_knees(const Curves& curves) {
    std::vector<NamedKnee> named;
    for (const auto& [who, curve] : curves) {
        const auto knees = find_knees(curve_of(curves, who), tolerance, noise_of(curves, who));
        for (std::size_t i = 0; i < knees.size(); ++i) named.push_back({who, name_of(who, i), knees[i]});
    }
    return named;
}

std::string reach_statement(const Curves& curves) {
    const auto small = curve_of(curves, "direct-4k");
    const auto huge = curve_of(curves, "direct-2m");
    if (small.empty() || huge.empty() || small.back().size != huge.back().size) return {};
    const double noise = noise_of(curves, "direct-4k");
    const auto knees = find_knees(small, tolerance, noise);
    if (knees.empty() || small.back().cost < 4 * noise) return {};
    const double share = huge.back().cost / small.back().cost;
    const auto pages = static_cast<std::uint64_t>(huge.back().size);
    if (huge.back().cost <= 2 * noise) {
        return fmt::format(
            "2 MiB entries widen the reach of the TLB here: {} pages of 4 KiB in them translate "
            "for nothing, where 4 KiB entries cost {:.1f} ns each.",
            pages, small.back().cost);
    }
    const auto huge_knees = find_knees(huge, tolerance, noise);
    const bool same_reach = !huge_knees.empty() && huge_knees.front().size <= 2 * knees.front().size;
    return fmt::format(
        "2 MiB entries {} here: {} pages of 4 KiB in them cost {:.2f} of the translation by 4 KiB "
        "entries.",
        same_reach ? "shorten the walk and do not widen the reach of the TLB"
                   : "widen the reach of the TLB in part",
        pages, share);
}

}  // namespace kmemlab::mapping

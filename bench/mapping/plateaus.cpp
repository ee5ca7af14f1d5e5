#include "bench/mapping/plateaus.hpp"

#include <algorithm>
#include <cstddef>

#include "bench/measure/summary.hpp"

namespace kmemlab::mapping {
namespace {

constexpr std::size_t shortest = 3;

double level(std::span<const Sample> samples) {
    std::vector<double> costs;
    for (const Sample& sample : samples) costs.push_back(sample.cost);
    return median(costs);
}

struct Plateaus {
    std::span<const Sample> curve;
    double tolerance;
    double noise;

    [[nodiscard]] double reach(double cost) const { return cost * tolerance + noise; }
    /// Whether `shortest` samples from `begin` on lie together: closer than a ramp's would.
    [[nodiscard]] bool begins_at(std::size_t begin) const {
        if (begin + shortest > curve.size()) return false;
        const auto samples = curve.subspan(begin, shortest);
        const auto [least, most] = std::minmax_element(
            samples.begin(), samples.end(), [](const Sample& a, const Sample& b) { return a.cost < b.cost; });
        return most->cost - least->cost <= reach(level(samples));
    }
    /// Behind the last sample of the plateau that begins there.
    [[nodiscard]] std::size_t end_of(std::size_t begin) const {
        std::size_t end = begin + shortest;
        while (end < curve.size()) {
            const double middle = level(curve.subspan(begin, end - begin));
            const auto above = [&](std::size_t i) { return curve[i].cost > middle + reach(middle); };
            // The next one counts as well, so that a single sample decides nothing.
            if (above(end) && (end + 1 == curve.size() || above(end + 1))) break;
            ++end;
        }
        return end;
    }
};

}  // namespace

std::vector<Knee> find_knees(std::span<const Sample> curve, double tolerance, double noise) {
    const Plateaus plateaus{curve, tolerance, noise};
    std::vector<Knee> knees;
    for (std::size_t begin = 0; begin < curve.size();) {
        if (!plateaus.begins_at(begin)) {
            ++begin;
            continue;
        }
        const std::size_t end = plateaus.end_of(begin);
        const double here = level(curve.subspan(begin, end - begin));
        if (!knees.empty() && knees.back().after == 0) knees.back().after = here;
        if (end < curve.size()) knees.push_back({curve[end - 1].size, here, 0});
        begin = end;
    }
    if (!knees.empty() && knees.back().after == 0) knees.back().after = curve.back().cost;
    return knees;
}

}  // namespace kmemlab::mapping

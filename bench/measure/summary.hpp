/// Medians and spreads of a few repeated measurements.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace kmemlab {

/// The middle value, or the mean of the two in the middle. 0 if there is none.
[[nodiscard]] inline double median(std::vector<double> values) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// (largest - smallest) / median, in percent: how far the repetitions lie apart.
[[nodiscard]] inline double spread_percent(const std::vector<double>& values) {
    const double middle = median(values);
    if (middle <= 0) return 0;
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    return (*most - *least) / middle * 100.0;
}

}  // namespace kmemlab

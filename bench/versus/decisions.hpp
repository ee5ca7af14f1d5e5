/// What two kernels decide, asked by the same experiments (bench/golden/make.hpp): where they first differ.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/guests/kernels.hpp"

namespace kmemlab::versus {

/// The first row that differs.
struct Difference {
    std::size_t row = 0;  ///< line of the file
    std::string before;
    std::string after;
    std::string what;  ///< by the names of the columns: "min_partial 5 -> 10"; empty if they have none
};

struct Decision {
    std::string experiment;  ///< its words
    std::size_t rows = 0;
    std::size_t rows_that_differ = 0;
    std::optional<Difference> first;
};

/// Of two golden texts. Their parameters, which tell the kernel's name, are not compared.
[[nodiscard]] Decision decision(std::string experiment, std::string_view before, std::string_view after);

/// Every public experiment that both can do, but those that sleep. `progress` is told of each, and false from
/// it ends the work.
[[nodiscard]] std::vector<Decision> decisions(
    const guests::Kernel& before, const guests::Kernel& after,
    const std::function<bool(const std::string& experiment, std::size_t done, std::size_t total)>& progress);

[[nodiscard]] std::string to_text(const std::vector<Decision>& decisions);

}  // namespace kmemlab::versus

/// The sweep of failures: a program again and again, each time with another request for pages refused.
#pragma once

#include "fuzz/targets/target.hpp"

namespace kmemlab::fuzz {

struct Sweep {
    std::size_t runs = 0;
    std::optional<Program> broken{};  ///< the program with the failure that broke a law
    MaybeFinding finding{};
};

/// Refuses the first request, then the second, ..., at most 256. Nothing is done for targets whose pages
/// cannot fail.
[[nodiscard]] Sweep sweep(const Target& target, const Program& program);

}  // namespace kmemlab::fuzz

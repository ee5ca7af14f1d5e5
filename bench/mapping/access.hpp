/// What the rows of the pointer chase say: knees by name, and whether huge pages widen the TLB's reach.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "bench/mapping/plateaus.hpp"
#include "bench/measure/contest.hpp"

namespace kmemlab::mapping {

/// Cost by number of pages (or lines), of each kind of memory.
using Curves = std::map<std::string, std::vector<Sample>>;

/// The rows access/PAGES/WHO: nanoseconds of the host; of the soft MMU lookups
/// behind the first level of the TLB, and references to page tables.
[[nodiscard]] Curves access_curves(const std::vector<ContestRow>& rows);

struct NamedKnee {
    std::string who;
    std::string name;  ///< "L1 TLB", "L2 TLB", ...
    Knee knee;
};

/// Knees of each kind. Those of `lines` are data caches. From the others the cost of as many lines is
/// subtracted first, so that what is left is translation: the first knee is where pages outnumber the first
/// level of the TLB, the second the second, later ones where page tables leave a data cache.
[[nodiscard]] std::vector<NamedKnee> named_knees(const Curves& curves);

/// Whether entries of 2 MiB widen the reach of the TLB here, or only shorten the walk; empty if direct-4k and
/// direct-2m were not both measured far enough.
[[nodiscard]] std::string reach_statement(const Curves& curves);

}  // namespace kmemlab::mapping

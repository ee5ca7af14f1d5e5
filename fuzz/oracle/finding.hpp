/// What an oracle found: the broken law by its number (docs/invariants.md), what was seen, and after which
/// operation. Beside the numbered laws there are
///
///     misuse    a report about a caller who did nothing wrong
///     trace     a reader of traces does not keep what it promises
///     settings  the same of settings, and of what an allocator that is made by its name tells of itself
///     crash     the process ended: a sanitizer's report, a signal, a failed check
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace kmemlab::fuzz {

struct Finding {
    std::string law;
    std::string what;
    std::size_t operation = 0;  ///< index; the number of operations: at the end
};
using MaybeFinding = std::optional<Finding>;

}  // namespace kmemlab::fuzz

/// Runs a program in a process of its own, so that what ends it (a signal, a sanitizer, a failed check, a
/// loop without end) is an outcome like any other.
#pragma once

#include <string>

#include "fuzz/targets/target.hpp"

namespace kmemlab::fuzz {

/// The law `crash` or, for one that does not end within `seconds`, `C4`; `what` has the first telling line of
/// what the process wrote. Nothing else may run in this process (fork).
[[nodiscard]] MaybeFinding run_isolated(const Target& target, const Program& program, unsigned seconds = 10);

}  // namespace kmemlab::fuzz

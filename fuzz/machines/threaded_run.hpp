/// Programs by real threads, for ThreadSanitizer and for what the simulated schedule cannot say: the
/// operations of each CPU by a thread of its own, in their order, on a model of the registry.
///
/// Slots are shared, so what one thread allocates another frees. Judged are the content of what callers have
/// (G4, and G1 by it), zeroing (G5), and when the threads have ended every law, with teardown (B16).
/// Operations that need everybody else outside, and misuse, are passed over. What a program does depends on
/// the moment: a finding here is none of a schedule that can be played again.
#pragma once

#include <string_view>

#include "fuzz/oracle/finding.hpp"
#include "fuzz/program/program.hpp"

namespace kmemlab::fuzz {

[[nodiscard]] MaybeFinding run_threaded(std::string_view model, const Program& program,
                                        const Language& language);

}  // namespace kmemlab::fuzz

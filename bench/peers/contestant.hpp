/// Contestants of the peers comparison: anything that hands out memory and takes it back, each called the
/// same way, so that what differs is the allocator.
///
/// Fairness:
///  - each is called as its user calls it: a library's malloc through the pointer that the library exports,
///    ours by its header, compiled into the loop, which a library's malloc does not allow. Rows named
///    NAME-call put an out-of-line function, called through a pointer, before ours as well;
///  - one loop template for all; every address is used (its first word is written), and the compiler
///    may carry nothing in registers from one call to the next;
///  - all rows of a run are measured beside each other (bench/measure/contest.hpp); objects that live at
///    once must not overlap, and keep what was written into them.
#pragma once

#include <span>

#include "bench/measure/contest.hpp"
#include "bench/peers/peer_library.hpp"

namespace kmemlab::peers {

/// All rows: the floor, the libraries that could be loaded, and every model of the registry that has object
/// caches or pages.
[[nodiscard]] Contests all_contests(std::span<const PeerLibrary> libraries);

/// Rows of the same work follow each other then: what is compared is measured in the same moments.
void group_by_work(Contests& contests);

}  // namespace kmemlab::peers

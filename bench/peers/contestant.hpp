/// Contestants of the peers comparison: anything that hands out memory and takes it back, each called the
/// same way, so that what differs is the allocator.
///
/// Fairness:
///  - each is called as its user calls it: a library's malloc through the pointer that the library exports,
///    ours by its header, compiled into the loop, which a library's malloc does not allow. Rows named
///    NAME-call put an out-of-line function, called through a pointer, before ours as well;
///  - one loop template for all; every address is used (its first word is written), and the compiler
///    may carry nothing in registers from one call to the next;
///  - all rows of a run are measured in the same process, repetition by repetition, in rotating order.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/peers/peer_library.hpp"

namespace kmemlab::peers {

/// One row of the result: a unit of work done by one allocator.
class Contest {
  public:
    virtual ~Contest() = default;
    /// WORK/SIZE/ALLOCATOR, as "pair/64/slub".
    [[nodiscard]] virtual const std::string& name() const = 0;
    /// Does `count` units of the work.
    virtual void run(std::size_t count) = 0;
    /// Empty if objects that live at once do not overlap and keep what was written into them; else what was
    /// found.
    [[nodiscard]] virtual std::string verify() = 0;
};

using Contests = std::vector<std::unique_ptr<Contest>>;

/// All rows: the floor, the libraries that could be loaded, and every model of the registry that has object
/// caches or pages.
[[nodiscard]] Contests all_contests(std::span<const PeerLibrary> libraries);

}  // namespace kmemlab::peers

/// A recorded state of SLOB's heap (tests/golden, rows P and B): the pages of each list from the head on, and
/// their free blocks. What is not free is in use by somebody else. Put into a fresh heap, or read from one;
/// for replaying what a real kernel did from where it stood.
#pragma once

#include <vector>

#include "allocators/slob/slob.hpp"

namespace kmemlab {

struct SlobBlockState {
    SlobUnits at = 0;
    SlobUnits length = 0;
    friend bool operator==(const SlobBlockState&, const SlobBlockState&) = default;
};

struct SlobPageState {
    SlobList list{};
    std::vector<SlobBlockState> blocks;  ///< by ascending place, none of them adjacent
    friend bool operator==(const SlobPageState&, const SlobPageState&) = default;
};

/// Takes a page for each of `pages`, in order, and puts it at the end of its list. Returns their frames,
/// fewer if the page source has no more.
template <class Cpus>
std::vector<Pfn> restore(Slob<Cpus>& slob, const std::vector<SlobPageState>& pages, CpuId cpu);

/// The three lists, one after the other.
template <class Cpus>
[[nodiscard]] std::vector<SlobPageState> record(const Slob<Cpus>& slob);

}  // namespace kmemlab

/// What a task's frames do to its stack: words that are not zero, from the top down.
#pragma once

#include <algorithm>
#include <cstdint>

#include "allocators/base/units.hpp"
#include "allocators/mmu/mmu.hpp"

namespace kmemlab {

/// Calls store(address) for the lowest word of each cache line and for the deepest word.
template <class Store>
void for_each_frame(VirtAddr top, std::size_t depth, Store&& store) {
    const std::size_t deepest = (depth + 7) & ~std::size_t{7};
    for (std::size_t d = cache_line_size; d < deepest; d += cache_line_size) {
        store(VirtAddr{top.value() - d});
    }
    if (deepest != 0) store(VirtAddr{top.value() - deepest});
}

/// Writes through pointers; where nothing is mapped it faults.
inline void write_frames(VirtAddr top, std::size_t depth) {
    for_each_frame(top, depth,
                   [](VirtAddr at) { *reinterpret_cast<volatile std::uint64_t*>(at.value()) = at.value(); });
}

}  // namespace kmemlab

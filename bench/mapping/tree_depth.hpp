/// How many steps from the root the nodes of a tree of areas are: what a search takes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "allocators/vmalloc/area_tree.hpp"

namespace kmemlab::mapping {

struct Depth {
    std::uint64_t nodes = 0;
    std::uint64_t steps = 0;    ///< summed over all nodes; the root is one step away
    std::uint64_t deepest = 0;  ///< most steps to one node
};

[[nodiscard]] inline Depth depth_of(const AreaTree& tree) {
    Depth depth;
    for (const VmapArea* area = tree.first(); area != nullptr; area = AreaTree::next(area)) {
        std::uint64_t steps = 0;
        for (const VmapArea* up = area; up != nullptr; up = up->parent) ++steps;
        ++depth.nodes;
        depth.steps += steps;
        depth.deepest = std::max(depth.deepest, steps);
    }
    return depth;
}

}  // namespace kmemlab::mapping

/// The plain data of the allocator contract (contract/allocator.hpp), below the models so that each can speak
/// of it: what is asked, what is counted, what is shown.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "allocators/base/gfp.hpp"
#include "allocators/base/path.hpp"
#include "allocators/base/units.hpp"

namespace kmemlab {

struct Request {
    std::size_t size = 0;
    Gfp gfp = GFP_KERNEL;
    std::size_t align = 0;  ///< a power of two, or 0 for the model's minimum
    CpuId cpu{0};
};

/// Operations by the way that served them.
using PathCounts = std::array<std::uint64_t, path_count>;

struct AllocatorStats {
    std::uint64_t held_bytes = 0;      ///< memory taken from the layer below, in use or kept for reuse
    std::uint64_t metadata_bytes = 0;  ///< what the model itself needs: descriptors, per-CPU slots, tables
    PathCounts allocations{};
    PathCounts frees{};
};

/// A text file of the kernel: its name below /proc or /sys, and its content.
struct Text {
    std::string name;
    std::string content;
};

/// Free blocks of each order over all zones, or nothing if the model has no page allocator below.
using FreeBlocks = std::optional<std::array<std::uint64_t, order_count>>;

}  // namespace kmemlab

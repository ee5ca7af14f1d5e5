/// How fragmented free memory is, in thousandths, from free blocks per order (BUDDY-103).
#pragma once

#include <array>
#include <cstdint>

#include "allocators/base/units.hpp"

namespace kmemlab {

using BlockCounts = std::array<std::uint64_t, order_count>;

struct FreeTotals {
    std::uint64_t blocks = 0;
    std::uint64_t pages = 0;
    std::uint64_t suitable = 0;  ///< blocks of the order that the free blocks could be cut into
};

[[nodiscard]] constexpr FreeTotals free_totals(const BlockCounts& blocks, Order order) {
    FreeTotals totals;
    for (unsigned o = 0; o < order_count; ++o) {
        totals.blocks += blocks[o];
        totals.pages += blocks[o] << o;
        if (o >= order.value()) totals.suitable += blocks[o] << (o - order.value());
    }
    return totals;
}

/// Share of free memory that a request of `order` cannot use: 0 all of it is usable, 1000 none.
[[nodiscard]] constexpr std::int64_t unusable_index(const BlockCounts& blocks, Order order) {
    const FreeTotals totals = free_totals(blocks, order);
    if (totals.pages == 0) return 1000;
    return static_cast<std::int64_t>(1000 * (totals.pages - (totals.suitable << order.value())) /
                                     totals.pages);
}

/// Why a request of `order` would fail: towards 0 for want of memory, towards 1000 for fragmentation;
/// -1000 if it would not fail, 0 if there is no free block.
[[nodiscard]] constexpr std::int64_t extfrag_index(const BlockCounts& blocks, Order order) {
    const FreeTotals totals = free_totals(blocks, order);
    if (totals.blocks == 0) return 0;
    if (totals.suitable > 0) return -1000;
    return 1000 - static_cast<std::int64_t>((1000 + 1000 * totals.pages / order.pages()) / totals.blocks);
}

}  // namespace kmemlab

/// What a slab's first descriptor remembers in Page::word, changed under the lock of the cache's node.
///
///     0       8          24                64
///     | active| colour/64| index position  |
///
/// The position names the array of free indexes by its place (IndexPlace): in_object: the number of the free
/// object that holds it, none while all are out; off_slab: its offset in the arena / 32; on_slab: unused.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocators/base/check.hpp"
#include "allocators/machine/page.hpp"

namespace kmemlab {

struct SlabHead {
    static constexpr unsigned active_bits = 8;
    static constexpr unsigned colour_bits = 16;
    static constexpr unsigned position_bits = 40;
    static constexpr std::uint64_t no_position = (std::uint64_t{1} << position_bits) - 1;
    static constexpr std::size_t colour_unit = 64;
    static constexpr std::size_t position_unit = 32;  ///< alignment of every kmalloc object of SLAB

    std::uint32_t active = 0;    ///< objects out of the slab, in arrays or live (S1)
    std::size_t colour = 0;      ///< bytes before the first object
    std::uint64_t position = 0;  ///< of the index array

    [[nodiscard]] static SlabHead load(const Page& page) {
        const std::uint64_t bits = page.word;
        return {static_cast<std::uint32_t>(bits & ((1U << active_bits) - 1)),
                (bits >> active_bits & ((1U << colour_bits) - 1)) * colour_unit,
                bits >> (active_bits + colour_bits)};
    }
    void store(Page& page) const {
        KMEMLAB_DEBUG_CHECK(active < (1U << active_bits) && colour % colour_unit == 0);
        page.word = std::uint64_t{active} | std::uint64_t{colour / colour_unit} << active_bits |
                    position << (active_bits + colour_bits);
    }
};
static_assert(SlabHead::active_bits + SlabHead::colour_bits + SlabHead::position_bits == 64);

}  // namespace kmemlab

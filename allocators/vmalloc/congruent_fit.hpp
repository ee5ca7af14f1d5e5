/// Where areas fit that lie at fixed distances from each other.
///
///     window   [ ....busy|       free        |busy|   free    |b|     free      ]
///     parts                 |part 0|                 |part 1|
///                           ^base + offset 0         ^base + offset 1
///
/// The base is the highest multiple of the alignment for which every part is free (VM-60). A part that is not
/// free below some base pushes the base down to the next place where it is; no base between could do, so the
/// first base at which nobody pushes is the highest, in whatever order the parts are asked.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "allocators/mmu/mmu.hpp"
#include "allocators/vmalloc/area_tree.hpp"

namespace kmemlab {

/// [base + offset, base + offset + size), in bytes.
struct AreaPart {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    [[nodiscard]] std::uint64_t end() const { return offset + size; }
};

/// Offsets and sizes are multiples of `align`, a power of two; parts do not overlap. Nothing: no such base
/// in the window.
[[nodiscard]] std::optional<std::uint64_t> find_congruent(const AreaTree& free,
                                                          std::span<const AreaPart> parts,
                                                          std::uint64_t align, AddressRange window);
/// The same by trying every base that can be the highest: above it some part meets the end of a free area, or
/// of the window. What find_congruent is compared with.
[[nodiscard]] std::optional<std::uint64_t> try_congruent(const AreaTree& free,
                                                         std::span<const AreaPart> parts, std::uint64_t align,
                                                         AddressRange window);

}  // namespace kmemlab

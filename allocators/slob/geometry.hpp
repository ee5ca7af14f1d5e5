/// Sizes and classes of SLOB: pure functions of what was asked (SLOB-2, 10, 30, 31, 34, 40, 41).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "allocators/base/units.hpp"
#include "allocators/objects/alignment.hpp"
#include "allocators/objects/cache.hpp"
#include "allocators/objects/kmalloc_classes.hpp"

namespace kmemlab {

/// Units of 2 bytes, the grain of the heap: all lengths and places in a page are counted in them.
using SlobUnits = std::uint32_t;
inline constexpr std::size_t slob_unit_bytes = 2;
inline constexpr SlobUnits slob_page_units = page_size / slob_unit_bytes;

[[nodiscard]] constexpr SlobUnits slob_units(std::size_t bytes) {
    return static_cast<SlobUnits>((bytes + slob_unit_bytes - 1) / slob_unit_bytes);
}

/// Which of the three page lists serves a size (O4).
enum class SlobList : std::uint8_t { small, medium, large };
inline constexpr std::size_t slob_lists = 3;

/// SLOB-10; `bytes` is what the heap sees, header included.
[[nodiscard]] constexpr SlobList slob_list(std::size_t bytes) {
    if (bytes < 256) return SlobList::small;
    return bytes < 1024 ? SlobList::medium : SlobList::large;
}

[[nodiscard]] constexpr std::string_view to_string(SlobList list) {
    constexpr std::string_view names[slob_lists]{"small", "medium", "large"};
    return names[static_cast<std::size_t>(list)];
}

/// A request to the heap. The address that is aligned is the begin plus `header`, so that a kmalloc object is
/// aligned and not its header (SLOB-12). Small: it goes by value, in a register.
struct SlobShape {
    std::uint32_t bytes = 0;   ///< header included
    std::uint16_t align = 8;   ///< a power of two, at least 8, at most a page
    std::uint16_t header = 0;  ///< bytes before the object, even

    [[nodiscard]] constexpr SlobUnits units() const { return slob_units(bytes); }
};

/// Bytes before a kmalloc object; the first four hold its size (SLOB-30).
inline constexpr std::size_t slob_header = min_object_align;
/// kmalloc from here on takes pages (SLOB-31).
inline constexpr std::size_t slob_kmalloc_limit = page_size - slob_header;

/// SLOB-30: `size` is 1..4087.
[[nodiscard]] constexpr SlobShape slob_kmalloc_shape(std::size_t size) {
    const bool power = (size & (size - 1)) == 0;  // std::has_single_bit counts bits, by a call on most builds
    const std::size_t align = power ? std::max(size, slob_header) : slob_header;
    return {static_cast<std::uint32_t>(size + slob_header), static_cast<std::uint16_t>(align), slob_header};
}

/// SLOB-34.
[[nodiscard]] constexpr std::size_t slob_kmalloc_size_roundup(std::size_t size) {
    return (size + slob_header - 1) / slob_header * slob_header;
}

/// Bytes behind a TYPESAFE_BY_RCU object: what waits for its grace period needs a place (SLOB-40).
inline constexpr std::size_t slob_rcu_footer = 24;

struct SlobGeometry {
    std::size_t object_size = 0;  ///< bytes asked
    std::size_t size = 0;         ///< bytes taken
    std::size_t align = 0;
    CacheFlags flags = CacheFlags::none;

    /// Too large for the heap, or aligned to more than a page: a block of pages for each object (SLOB-41).
    [[nodiscard]] constexpr bool pages() const { return size >= page_size || align > page_size; }
    /// Of such a block. Linux 6.1 asks by the size alone, and cannot align beyond it.
    [[nodiscard]] constexpr Order order() const { return order_of(std::max(size, align)); }
    /// Of objects in the heap.
    [[nodiscard]] constexpr SlobShape shape() const {
        return {static_cast<std::uint32_t>(size), static_cast<std::uint16_t>(align), 0};
    }
};

/// SLOB-40, SLUB-1.
[[nodiscard]] constexpr SlobGeometry slob_geometry(std::size_t size, std::size_t align, CacheFlags flags) {
    SlobGeometry g{size, size, object_alignment(size, align, flags), flags};
    if (has(flags, CacheFlags::typesafe_by_rcu)) g.size += slob_rcu_footer;
    g.size = slob_units(g.size) * slob_unit_bytes;
    return g;
}

}  // namespace kmemlab

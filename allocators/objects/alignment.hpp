/// Alignment of objects, the same in SLAB and SLUB (SLUB-1).
#pragma once

#include <algorithm>
#include <cstddef>

#include "allocators/base/units.hpp"
#include "allocators/objects/cache.hpp"
#include "allocators/objects/kmalloc_classes.hpp"

namespace kmemlab {

[[nodiscard]] constexpr std::size_t round_up(std::size_t value, std::size_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

/// SLUB-1: what was asked; with hwcache_align a cache line, halved while two objects fit into the half.
[[nodiscard]] constexpr std::size_t object_alignment(std::size_t size, std::size_t asked, CacheFlags flags) {
    std::size_t align = asked;
    if (has(flags, CacheFlags::hwcache_align)) {
        std::size_t line = cache_line_size;
        while (size <= line / 2) line /= 2;
        align = std::max(align, line);
    }
    return round_up(std::max(align, min_object_align), sizeof(void*));
}

}  // namespace kmemlab

/// The size classes of kmalloc and the limits around them (SLUB-60): 8, 16, 32, 64, 96, 128, 192, 256, 512,
/// 1k, 2k, 4k, 8k. Larger sizes are blocks of pages. SLAB starts at 32: it asks for max(size, 32).
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "allocators/base/gfp.hpp"
#include "allocators/base/units.hpp"

namespace kmemlab {

inline constexpr std::array<std::size_t, 13> kmalloc_class_sizes{8,   16,  32,   64,   96,   128, 192,
                                                                 256, 512, 1024, 2048, 4096, 8192};
inline constexpr std::size_t kmalloc_class_count = kmalloc_class_sizes.size();
inline constexpr std::size_t kmalloc_max_cache_size = kmalloc_class_sizes.back();
/// SLAB's smallest class (SLAB-61).
inline constexpr std::size_t min_slab_kmalloc = 32;
/// The largest size kmalloc gives: a block of the largest order, 4 MiB.
inline constexpr std::size_t kmalloc_max_size = max_order.bytes();
/// Least alignment of any kmalloc or cache object on x86-64.
inline constexpr std::size_t min_object_align = 8;

/// Kinds of kmalloc caches. The kernel has a fourth, for accounting with memory control groups.
enum class KmallocType : std::uint8_t { normal, reclaimable, dma };
inline constexpr std::size_t kmalloc_types = 3;

/// DMA goes before RECLAIMABLE (SLUB-60).
[[nodiscard]] constexpr KmallocType kmalloc_type(Gfp gfp) {
    if (!gfp.has(__GFP_DMA | __GFP_RECLAIMABLE)) return KmallocType::normal;
    return gfp.has(__GFP_DMA) ? KmallocType::dma : KmallocType::reclaimable;
}

namespace detail {
constexpr std::uint8_t class_by_search(std::size_t size) {
    std::uint8_t index = 0;
    while (kmalloc_class_sizes[index] < size) ++index;
    return index;
}
/// Classes of 1..8, 9..16, ... 185..192 bytes: the only ones that are not powers of two lie here.
inline constexpr auto small_classes = [] {
    std::array<std::uint8_t, 24> classes{};
    for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = class_by_search((i + 1) * 8);
    return classes;
}();
}  // namespace detail

/// Index of the smallest class that holds `size`, which is 1..8192 bytes.
[[nodiscard]] constexpr std::size_t kmalloc_class(std::size_t size) {
    if (size <= 192) return detail::small_classes[(size - 1) >> 3];
    return static_cast<std::size_t>(std::bit_width(size - 1)) - 1;
}
static_assert(kmalloc_class(65) == 4 && kmalloc_class(193) == 7 && kmalloc_class(8192) == 12);

/// kmalloc-N, kmalloc-rcl-N, dma-kmalloc-N; N as 1k, 2k, 4k, 8k from 1024 on.
[[nodiscard]] std::string kmalloc_cache_name(KmallocType type, std::size_t class_size);

/// kmalloc(0) (SLUB-61): not null, and not to be dereferenced.
inline void* zero_size_ptr() {
    return reinterpret_cast<void*>(std::uintptr_t{16});
}
/// Null or kmalloc(0): freeing it does nothing.
[[nodiscard]] inline bool is_zero_or_null(const void* p) {
    return reinterpret_cast<std::uintptr_t>(p) <= 16;
}

}  // namespace kmemlab

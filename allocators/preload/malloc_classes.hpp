/// The size classes of the drop-in malloc: four to each doubling, so that at most a fifth of an object is not
/// asked for; a kernel's kmalloc has one to a doubling. Each is an object cache of its own, "malloc-N".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace kmemlab {

inline constexpr std::array<std::size_t, 33> malloc_class_sizes{
    8,   16,  32,  48,   64,   80,   96,   112,  128,  160,  192,  224,  256,  320,  384,  448, 512,
    640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192};
inline constexpr std::size_t malloc_class_count = malloc_class_sizes.size();
inline constexpr std::size_t malloc_largest_class = malloc_class_sizes.back();

/// By size in units of 8 bytes, rounded up: the number of the class, from 0 on. malloc(0) gets the smallest.
inline constexpr auto malloc_class_of_units = [] {
    std::array<std::uint8_t, malloc_largest_class / 8 + 1> classes{};
    std::uint8_t number = 0;
    for (std::size_t units = 0; units < classes.size(); ++units) {
        while (malloc_class_sizes[number] < units * 8) ++number;
        classes[units] = number;
    }
    return classes;
}();

/// Of a size up to malloc_largest_class.
[[nodiscard]] constexpr std::size_t malloc_class(std::size_t size) {
    return malloc_class_of_units[(size + 7) / 8];
}
static_assert(malloc_class(0) == 0 && malloc_class(8) == 0 && malloc_class(9) == 1 &&
              malloc_class(8192) == 32);

}  // namespace kmemlab

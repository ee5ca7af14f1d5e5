/// The functions under test: those of libkmemlab_malloc.so by their public names where the dynamic linker has
/// put it before the C library's, or the library's inside, for sanitizers, which bring a malloc of their own.
#pragma once

#include <malloc.h>

#include <cstddef>
#include <cstdlib>

#ifdef KMEMLAB_DIRECT
#include "allocators/preload/malloc.hpp"
#endif

namespace kmemlab::test::api {

#ifdef KMEMLAB_DIRECT

[[nodiscard]] inline void* allocate(std::size_t size) {
    return preload::allocate(size);
}
[[nodiscard]] inline void* allocate_zeroed(std::size_t size) {
    return preload::allocate_slowly(size, 0, true);
}
[[nodiscard]] inline void* allocate_aligned(std::size_t align, std::size_t size) {
    return preload::allocate_slowly(size, align, false);
}
[[nodiscard]] inline void* resize(void* p, std::size_t size) {
    return preload::reallocate(p, size);
}
[[nodiscard]] inline std::size_t usable_size(void* p) {
    return preload::usable_size(p);
}
inline void release(void* p) {
    preload::release(p);
}

#else

[[nodiscard]] inline void* allocate(std::size_t size) {
    return std::malloc(size);
}
[[nodiscard]] inline void* allocate_zeroed(std::size_t size) {
    return std::calloc(1, size);
}
[[nodiscard]] inline void* allocate_aligned(std::size_t align, std::size_t size) {
    return std::aligned_alloc(align, size);
}
[[nodiscard]] inline void* resize(void* p, std::size_t size) {
    return std::realloc(p, size);
}
[[nodiscard]] inline std::size_t usable_size(void* p) {
    return malloc_usable_size(p);
}
inline void release(void* p) {
    std::free(p);
}

#endif

}  // namespace kmemlab::test::api

/// What is the same in kmalloc of every object allocator, over its own kmalloc, kfree and ksize.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "allocators/base/allocator_types.hpp"
#include "allocators/objects/kmalloc_classes.hpp"

namespace kmemlab {

/// A size whose kmalloc is aligned as asked: objects whose size is a power of two lie on multiples of it,
/// blocks of pages too. Beyond kmalloc_max_size if there is none.
[[nodiscard]] inline std::size_t aligned_kmalloc_size(const Request& request) {
    if (request.size == 0) return 0;
    const std::size_t bytes = std::max(request.size, request.align);
    return bytes > kmalloc_max_size ? bytes : std::bit_ceil(bytes);
}

/// SLUB-63. nullptr: no memory, `object` stays. Grown parts are not zero, not even with __GFP_ZERO, beyond
/// what a fresh block has: Linux 6.1 does not know the size asked before.
template <class Allocator>
[[nodiscard]] void* krealloc_by_copy(Allocator& a, void* object, std::size_t size, Gfp gfp, CpuId cpu) {
    if (size == 0) {
        a.kfree(object, cpu);
        return zero_size_ptr();
    }
    const std::size_t old_size = a.ksize(object);
    if (old_size >= size) return object;
    void* const larger = a.kmalloc(size, gfp, cpu);
    if (larger == nullptr) return nullptr;
    if (object != nullptr && old_size > 0) {
        std::memcpy(larger, object, old_size);
        a.kfree(object, cpu);
    }
    return larger;
}

}  // namespace kmemlab

/// AddressSanitizer for memory that an allocator of ours manages. What the allocator must not touch (pages
/// that it gave back, objects that callers have) is poisoned while it runs; without ASan these do nothing.
#pragma once

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KMEMLAB_HAS_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define KMEMLAB_HAS_ASAN 1
#endif

#ifdef KMEMLAB_HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace kmemlab::oracle {

inline void poison([[maybe_unused]] const void* begin, [[maybe_unused]] std::size_t bytes) {
#ifdef KMEMLAB_HAS_ASAN
    __asan_poison_memory_region(begin, bytes);
#endif
}
inline void unpoison([[maybe_unused]] const void* begin, [[maybe_unused]] std::size_t bytes) {
#ifdef KMEMLAB_HAS_ASAN
    __asan_unpoison_memory_region(begin, bytes);
#endif
}

}  // namespace kmemlab::oracle

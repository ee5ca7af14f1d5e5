/// The names that libkmemlab_malloc.so gives to the world: the C functions and the operators new and delete.
/// Nothing else in it is visible.
#include <malloc.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

#include "allocators/base/units.hpp"
#include "allocators/preload/malloc.hpp"

namespace {

namespace preload = kmemlab::preload;

/// operator new: null is no answer. The new-handler may find memory, or throw, or there is none.
[[nodiscard, gnu::noinline]] void* try_again(std::size_t size, std::size_t align) {
    for (;;) {
        const std::new_handler handler = std::get_new_handler();
        if (handler == nullptr) throw std::bad_alloc{};
        handler();
        if (void* const p = preload::allocate_slowly(size, align, false); p != nullptr) return p;
    }
}

[[nodiscard, gnu::always_inline]] inline void* allocate_or_throw(std::size_t size) {
    void* const p = preload::allocate(size);
    return p != nullptr ? p : try_again(size, 0);
}
[[nodiscard, gnu::always_inline]] inline void* allocate_or_throw(std::size_t size, std::align_val_t align) {
    const auto bytes = static_cast<std::size_t>(align);
    void* const p = preload::allocate_slowly(size, bytes, false);
    return p != nullptr ? p : try_again(size, bytes);
}
[[nodiscard, gnu::always_inline]] inline void* allocate_or_null(std::size_t size, std::align_val_t align) {
    return preload::allocate_slowly(size, static_cast<std::size_t>(align), false);
}

}  // namespace

#pragma GCC visibility push(default)

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library has reserved names
extern "C" {

void* malloc(std::size_t size) {
    return preload::allocate(size);
}
void free(void* p) {
    preload::release(p);
}
void* calloc(std::size_t count, std::size_t size) {
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return nullptr;
    }
    if (bytes > kmemlab::malloc_largest_class) return preload::allocate_slowly(bytes, 0, true);
    void* const p = preload::allocate(bytes);
    return p == nullptr ? p : std::memset(p, 0, bytes);
}
void* realloc(void* p, std::size_t size) {
    if (p == nullptr) return preload::allocate(size);
    if (size == 0) {
        preload::release(p);
        return nullptr;
    }
    return preload::reallocate(p, size);
}
void* reallocarray(void* p, std::size_t count, std::size_t size) {
    std::size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return nullptr;
    }
    return realloc(p, bytes);
}
int posix_memalign(void** place, std::size_t align, std::size_t size) {
    if (!std::has_single_bit(align) || align < sizeof(void*)) return EINVAL;
    const int before = errno;
    void* const p = preload::allocate_slowly(size, align, false);
    errno = before;
    if (p == nullptr) return ENOMEM;
    *place = p;
    return 0;
}
void* aligned_alloc(std::size_t align, std::size_t size) {
    if (!std::has_single_bit(align)) {
        errno = EINVAL;
        return nullptr;
    }
    return preload::allocate_slowly(size, align, false);
}
void* memalign(std::size_t align, std::size_t size) {
    return aligned_alloc(std::bit_ceil(align), size);
}
void* valloc(std::size_t size) {
    return preload::allocate_slowly(size, kmemlab::page_size, false);
}
void* pvalloc(std::size_t size) {
    const std::size_t pages = (size + kmemlab::page_size - 1) / kmemlab::page_size;
    return valloc(pages * kmemlab::page_size);
}
std::size_t malloc_usable_size(void* p) {
    return preload::usable_size(p);
}
void free_sized(void* p, std::size_t) {
    preload::release(p);
}
void free_aligned_sized(void* p, std::size_t, std::size_t) {
    preload::release(p);
}
int malloc_trim(std::size_t) {
    return preload::trim() ? 1 : 0;
}

}  // extern "C"
// NOLINTEND(readability-inconsistent-declaration-parameter-name)

void* operator new(std::size_t size) {
    return allocate_or_throw(size);
}
void* operator new[](std::size_t size) {
    return allocate_or_throw(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return preload::allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return preload::allocate(size);
}
void* operator new(std::size_t size, std::align_val_t align) {
    return allocate_or_throw(size, align);
}
void* operator new[](std::size_t size, std::align_val_t align) {
    return allocate_or_throw(size, align);
}
void* operator new(std::size_t size, std::align_val_t align, const std::nothrow_t&) noexcept {
    return allocate_or_null(size, align);
}
void* operator new[](std::size_t size, std::align_val_t align, const std::nothrow_t&) noexcept {
    return allocate_or_null(size, align);
}
void operator delete(void* p) noexcept {
    preload::release(p);
}
void operator delete[](void* p) noexcept {
    preload::release(p);
}
void operator delete(void* p, std::size_t) noexcept {
    preload::release(p);
}
void operator delete[](void* p, std::size_t) noexcept {
    preload::release(p);
}
void operator delete(void* p, const std::nothrow_t&) noexcept {
    preload::release(p);
}
void operator delete[](void* p, const std::nothrow_t&) noexcept {
    preload::release(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
    preload::release(p);
}
void operator delete[](void* p, std::align_val_t) noexcept {
    preload::release(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
    preload::release(p);
}
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
    preload::release(p);
}
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept {
    preload::release(p);
}
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept {
    preload::release(p);
}

#pragma GCC visibility pop

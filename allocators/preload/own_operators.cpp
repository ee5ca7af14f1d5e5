/// new and delete of the library's own code: the linker sends its calls here (--wrap, see CMakeLists.txt), so
/// that they never come to the allocator that it is.
#include <cstddef>
#include <new>

#include "allocators/preload/malloc.hpp"

namespace {

[[nodiscard]] void* allocate_or_throw(std::size_t size, std::size_t align) {
    void* const p = kmemlab::preload::allocate_own(size, align);
    return p != nullptr ? p : throw std::bad_alloc{};
}

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names
extern "C" {

void* __wrap__Znwm(std::size_t size) {
    return allocate_or_throw(size, 1);
}
void* __wrap__Znam(std::size_t size) {
    return allocate_or_throw(size, 1);
}
void* __wrap__ZnwmSt11align_val_t(std::size_t size, std::size_t align) {
    return allocate_or_throw(size, align);
}
void* __wrap__ZnamSt11align_val_t(std::size_t size, std::size_t align) {
    return allocate_or_throw(size, align);
}
void* __wrap__ZnwmRKSt9nothrow_t(std::size_t size, const std::nothrow_t&) {
    return kmemlab::preload::allocate_own(size, 1);
}
void* __wrap__ZnamRKSt9nothrow_t(std::size_t size, const std::nothrow_t&) {
    return kmemlab::preload::allocate_own(size, 1);
}
void __wrap__ZdlPv(void* p) {
    kmemlab::preload::release_own(p);
}
void __wrap__ZdaPv(void* p) {
    kmemlab::preload::release_own(p);
}
void __wrap__ZdlPvm(void* p, std::size_t) {
    kmemlab::preload::release_own(p);
}
void __wrap__ZdaPvm(void* p, std::size_t) {
    kmemlab::preload::release_own(p);
}
void __wrap__ZdlPvSt11align_val_t(void* p, std::size_t) {
    kmemlab::preload::release_own(p);
}
void __wrap__ZdaPvSt11align_val_t(void* p, std::size_t) {
    kmemlab::preload::release_own(p);
}
void __wrap__ZdlPvmSt11align_val_t(void* p, std::size_t, std::size_t) {
    kmemlab::preload::release_own(p);
}
void __wrap__ZdaPvmSt11align_val_t(void* p, std::size_t, std::size_t) {
    kmemlab::preload::release_own(p);
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

#include "allocators/preload/big_blocks.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

#include "allocators/base/units.hpp"

namespace kmemlab::big_blocks {
namespace {

struct Head {
    std::byte* base;
    std::size_t length;  ///< of the mapping, from base on
    const void* block;   ///< the address behind this: tells that it is a head
    std::uint64_t mark;
};
constexpr std::uint64_t mark = 0x6b6d656d2d626967;

[[nodiscard]] Head& head_of(void* p) {
    return static_cast<Head*>(p)[-1];
}
[[nodiscard]] const Head& head_of(const void* p) {
    return static_cast<const Head*>(p)[-1];
}

[[nodiscard]] std::size_t whole_pages(std::size_t bytes) {
    return (bytes + page_size - 1) & ~(page_size - 1);
}

}  // namespace

void* allocate(std::size_t size, std::size_t align) {
    const std::size_t aligned = std::max(align, page_size);
    if (size > PTRDIFF_MAX - 2 * page_size || aligned > PTRDIFF_MAX - size - 2 * page_size) return nullptr;
    const std::size_t length = whole_pages(size) + aligned;
    void* const base = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return nullptr;
    const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(base) + page_size;
    auto* const p = reinterpret_cast<void*>((first + aligned - 1) & ~(aligned - 1));
    head_of(p) = {static_cast<std::byte*>(base), length, p, mark};
    return p;
}

void deallocate(void* p) {
    const Head head = head_of(p);
    munmap(head.base, head.length);
}

std::size_t usable_size(const void* p) {
    const Head& head = head_of(p);
    return head.length - static_cast<std::size_t>(static_cast<const std::byte*>(p) - head.base);
}

void* resize(void* p, std::size_t size) {
    const Head head = head_of(p);
    const auto before = static_cast<std::size_t>(static_cast<std::byte*>(p) - head.base);
    if (size > PTRDIFF_MAX - before - page_size) return nullptr;
    const std::size_t length = whole_pages(size) + before;
    void* const base = mremap(head.base, head.length, length, MREMAP_MAYMOVE);
    if (base == MAP_FAILED) return nullptr;
    void* const moved = static_cast<std::byte*>(base) + before;
    head_of(moved) = {static_cast<std::byte*>(base), length, moved, mark};
    return moved;
}

bool is_one(const void* p) {
    if (reinterpret_cast<std::uintptr_t>(p) % page_size != 0) return false;
    const Head& head = head_of(p);
    return head.mark == mark && head.block == p;
}

}  // namespace kmemlab::big_blocks

#include "allocators/preload/own_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <mutex>

namespace kmemlab {

std::uintptr_t OwnMemory::take_chunks(std::size_t count, unsigned shift) {
    if (begin_ == 0) {
        // One chunk more, to align the first.
        void* p = mmap(nullptr, reserved + (std::size_t{1} << chunk_shift), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) return 0;
        constexpr std::uintptr_t mask = (std::uintptr_t{1} << chunk_shift) - 1;
        begin_ = (reinterpret_cast<std::uintptr_t>(p) + mask) & ~mask;
    }
    // Blocks of several chunks are aligned like smaller ones, to their size.
    const std::size_t first = (chunks_ + count - 1) / count * count;
    if (first + count > shifts_.size()) return 0;
    chunks_ = first + count;
    for (std::size_t i = first; i < chunks_; ++i) shifts_[i] = static_cast<std::uint8_t>(shift);
    return begin_ + (first << chunk_shift);
}

void* OwnMemory::allocate(std::size_t size, std::size_t align) {
    if (size > reserved / 2 || align > reserved / 2) return nullptr;
    const bool coloured = size >= least_coloured && align <= cache_line_size;
    const std::size_t bytes = std::max({size + (coloured ? colours * cache_line_size : 0), align, smallest});
    const auto shift = static_cast<unsigned>(std::bit_width(bytes - 1));
    const std::lock_guard guard{lock_};
    const std::uintptr_t block = take_block(shift);
    if (block == 0) return nullptr;
    if (coloured) next_colour_ = (next_colour_ + 1) % colours;
    return reinterpret_cast<void*>(block + (coloured ? next_colour_ * cache_line_size : 0));
}

std::uintptr_t OwnMemory::take_block(unsigned shift) {
    if (FreeBlock* const block = free_[shift]; block != nullptr) {
        free_[shift] = block->next;
        return reinterpret_cast<std::uintptr_t>(block);
    }
    if (at_[shift] == end_[shift]) {
        const std::size_t chunks = shift > chunk_shift ? std::size_t{1} << (shift - chunk_shift) : 1;
        at_[shift] = take_chunks(chunks, shift);
        if (at_[shift] == 0) return end_[shift] = 0;
        end_[shift] = at_[shift] + (chunks << chunk_shift);
    }
    const std::uintptr_t block = at_[shift];
    at_[shift] += std::uintptr_t{1} << shift;
    return block;
}

void OwnMemory::deallocate(void* p) {
    const unsigned shift = shift_at(p);
    auto* const block = reinterpret_cast<FreeBlock*>(block_of(p, shift));
    const std::lock_guard guard{lock_};
    block->next = free_[shift];
    free_[shift] = block;
}

std::size_t OwnMemory::usable_size(const void* p) const {
    const unsigned shift = shift_at(p);
    return block_of(p, shift) + (std::uintptr_t{1} << shift) - reinterpret_cast<std::uintptr_t>(p);
}

}  // namespace kmemlab

/// Memory for what the drop-in malloc itself needs: lists, descriptions, arrays of free objects. Not from the
/// allocator that it is, for that one is just at work when it asks.
///
///     one reserved range, cut into chunks of 1 MiB; a chunk holds blocks of one power of two, without heads
///     [16 16 16 ...][512 512 ...][  4M                     ]...
///
/// What is larger begins some cache lines behind its block's begin, each time others: the CPUs' lists of all
/// caches would otherwise lie in the same few sets of the processor's cache. Blocks that are freed wait on a
/// list of their size for the next; nothing goes back to the system. What was never written to is not
/// resident. For any number of threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "allocators/machine/cpus.hpp"

namespace kmemlab {

class OwnMemory {
  public:
    OwnMemory() = default;
    ~OwnMemory() = default;
    OwnMemory(const OwnMemory&) = delete;
    OwnMemory& operator=(const OwnMemory&) = delete;

    /// At least `size` bytes, aligned to `align` (a power of two) and to 16; nullptr: none left.
    [[nodiscard]] void* allocate(std::size_t size, std::size_t align = 1);
    void deallocate(void* p);
    [[nodiscard]] std::size_t usable_size(const void* p) const;
    [[nodiscard]] bool contains(const void* p) const {
        return reinterpret_cast<std::uintptr_t>(p) - begin_ < reserved;
    }

  private:
    static constexpr std::size_t reserved = std::size_t{1} << 36;
    static constexpr unsigned chunk_shift = 20;
    static constexpr std::size_t smallest = 16;
    static constexpr std::size_t least_coloured = 256;
    static constexpr std::size_t colours = 16;
    static constexpr unsigned classes = 36;

    struct FreeBlock {
        FreeBlock* next;
    };

    // 0: none left
    [[nodiscard]] std::uintptr_t take_chunks(std::size_t count, unsigned shift);
    [[nodiscard]] std::uintptr_t take_block(unsigned shift);
    [[nodiscard]] unsigned shift_at(const void* p) const {
        return shifts_[(reinterpret_cast<std::uintptr_t>(p) - begin_) >> chunk_shift];
    }
    [[nodiscard]] static std::uintptr_t block_of(const void* p, unsigned shift) {
        return reinterpret_cast<std::uintptr_t>(p) >> shift << shift;
    }

    std::uintptr_t begin_ = 0;
    std::size_t next_colour_ = 0;
    std::size_t chunks_ = 0;                    ///< used so far
    std::array<FreeBlock*, classes> free_{};    ///< by the logarithm of the size
    std::array<std::uintptr_t, classes> at_{};  ///< the next block never used, in the chunk of that size
    std::array<std::uintptr_t, classes> end_{};
    std::array<std::uint8_t, (reserved >> chunk_shift)> shifts_{};  ///< of the blocks in each chunk
    SpinLock lock_;
};

}  // namespace kmemlab

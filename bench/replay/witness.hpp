/// Witness: knows what lives during an observed pass, and checks what every allocator owes its callers:
///
///  - G1  live memory does not overlap
///  - G2  it is aligned
///  - G3  at least as much as was asked for may be written; writing it disturbs nobody
///  - G4  what was written at its begin and its end is still there when it is freed
///  - G5  what was asked to be zero is zero
///
/// The patterns are written at the first and the last bytes that may be written, and the bytes are numbered,
/// so that a neighbour's pattern is never taken for one's own. Its own memory comes from mappings, not from
/// the C library's heap, whose growth may be what is observed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory_resource>
#include <vector>

#include "allocators/base/check.hpp"

namespace kmemlab::replay {

/// Memory by mmap.
class MappedMemory final : public std::pmr::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t align) override;
    void do_deallocate(void* p, std::size_t bytes, std::size_t align) override;
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override {
        return this == &other;
    }
};

struct Birth {
    void* memory = nullptr;
    std::size_t requested = 0;  ///< bytes, at least 1
    std::size_t usable = 0;     ///< bytes
    std::size_t alignment = 1;
    bool zeroed = false;
};

class Witness {
  public:
    Witness();

    /// Something was got. The first law it breaks, or nothing.
    [[nodiscard]] MaybeViolation born(const Birth& birth);
    /// It is about to be freed.
    [[nodiscard]] MaybeViolation dies(const void* memory);

    [[nodiscard]] std::uint64_t requested_bytes() const { return requested_; }
    [[nodiscard]] std::uint64_t handed_out_bytes() const { return handed_out_; }
    [[nodiscard]] std::uint64_t live() const { return lives_.size(); }

  private:
    struct Life {
        std::uintptr_t end = 0;
        std::uint64_t pattern = 0;
        std::size_t requested = 0;
    };
    using Lives = std::pmr::map<std::uintptr_t, Life>;

    [[nodiscard]] MaybeViolation overlap(std::uintptr_t begin, std::uintptr_t end) const;

    MappedMemory mapped_;
    std::pmr::unsynchronized_pool_resource pool_;
    Lives lives_;
    std::uint64_t births_ = 0;
    std::uint64_t requested_ = 0;
    std::uint64_t handed_out_ = 0;
};

}  // namespace kmemlab::replay

/// The pages of an object allocator whose decisions are compared: those of a buddy allocator over an arena
/// of 1 GiB, numbered in the order in which blocks are taken. That is how traces name slabs, so that which
/// frames they lie in does not matter.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "allocators/buddy/buddy.hpp"

namespace kmemlab::golden {

template <class Cpus>
class NumberedPages {
  public:
    explicit NumberedPages(Cpus& cpus) : buddy_{arena_, cpus, {}, misuse_} {}

    std::optional<Pfn> take(Order order, Gfp gfp, CpuId cpu) {
        const auto pfn = buddy_.take(order, gfp, cpu);
        if (pfn) numbers_[arena_.index(*pfn)] = next_++;
        return pfn;
    }
    void give(Pfn pfn, Order order, CpuId cpu) {
        const auto found = numbers_.find(arena_.index(pfn));
        gone_.push_back(found->second);
        numbers_.erase(found);
        buddy_.give(pfn, order, cpu);
    }
    [[nodiscard]] Arena& arena() { return arena_; }
    [[nodiscard]] const Arena& arena() const { return arena_; }

    /// -1 for no_frame.
    [[nodiscard]] std::int64_t number_of(FrameIndex block) const {
        return block == no_frame ? -1 : numbers_.at(block);
    }
    /// How many blocks were taken.
    [[nodiscard]] std::int64_t taken() const { return next_; }
    /// Blocks that went back since the call before, ascending.
    [[nodiscard]] std::vector<std::int64_t> take_gone() {
        std::sort(gone_.begin(), gone_.end());
        return std::exchange(gone_, {});
    }

  private:
    Arena arena_;
    MisuseLog misuse_;
    Buddy<Cpus> buddy_;
    std::map<FrameIndex, std::int64_t> numbers_;
    std::vector<std::int64_t> gone_;
    std::int64_t next_ = 0;
};

}  // namespace kmemlab::golden

/// A careful caller: writes all of what it gets, looks at all of it again before it gives it back, and
/// remembers the first law that was broken. After that it does nothing any more.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "allocators/contract/model.hpp"
#include "fuzz/oracle/pattern.hpp"

namespace kmemlab::test {

using namespace oracle;

/// A power of two that is aligned to itself for kernel models, and what was asked (G2).
[[nodiscard]] inline std::size_t due_alignment(const Request& request, const Capabilities& capabilities) {
    const bool natural = capabilities.natural_alignment && std::has_single_bit(request.size);
    return std::max({request.align, natural ? request.size : 1, std::size_t{1}});
}

template <Allocator A>
class User {
  public:
    User(A& allocator, const Capabilities& capabilities)
        : allocator_{allocator}, capabilities_{capabilities} {}

    /// True if there was memory.
    bool allocate(const Request& request) {
        if (found_) return false;
        void* const p = allocator_.allocate(request);
        ++allocations_;
        if (p == nullptr) return false;
        const std::size_t usable = request.size == 0 ? 0 : allocator_.usable_size(p);
        check_fresh(p, usable, request);
        if (found_) return false;
        blocks_.push_back({p, usable, ++seed_, request});
        write_pattern(p, usable, seed_);
        return true;
    }
    /// The same where memory is due: null breaks M1.
    void must_allocate(const Request& request) {
        if (!allocate(request) && !found_) {
            found_ = violation("M1", "no memory for {} bytes aligned to {}, gfp 0x{:x}", request.size,
                               request.align, request.gfp.bits());
        }
    }
    void free(std::size_t which, CpuId cpu) {
        if (found_) return;
        const Block block = std::exchange(blocks_[which], blocks_.back());
        blocks_.pop_back();
        check_content(block);
        if (found_) return;
        ranges_.erase(block.p);
        ++frees_;
        allocator_.deallocate(block.p, cpu);
    }
    void free_all(CpuId cpu) {
        while (!found_ && !blocks_.empty()) free(blocks_.size() - 1, cpu);
    }
    /// Looks at the content of everything that is live.
    void check_all() {
        for (const Block& block : blocks_) check_content(block);
    }

    [[nodiscard]] std::size_t live() const { return blocks_.size(); }
    [[nodiscard]] std::uint64_t allocations() const { return allocations_; }
    [[nodiscard]] std::uint64_t frees() const { return frees_; }
    /// The usable bytes of all that is live.
    [[nodiscard]] std::uint64_t live_bytes() const {
        std::uint64_t bytes = 0;
        for (const Block& block : blocks_) bytes += block.usable;
        return bytes;
    }
    [[nodiscard]] const MaybeViolation& found() const { return found_; }
    [[nodiscard]] const Request& request(std::size_t which) const { return blocks_[which].request; }
    [[nodiscard]] void* address(std::size_t which) const { return blocks_[which].p; }

  private:
    struct Block {
        void* p = nullptr;
        std::size_t usable = 0;
        std::uint64_t seed = 0;
        Request request;
    };

    void check_fresh(void* p, std::size_t usable, const Request& request) {
        const std::size_t align = due_alignment(request, capabilities_);
        if (usable < request.size) {
            found_ = violation("G3", "{} bytes asked, {} usable", request.size, usable);
        } else if (usable == 0) {
            return;  // not to be written, so neither to be aligned nor apart from others
        } else if (usable < capabilities_.smallest) {
            found_ = violation("G3", "{} usable bytes, but the smallest block has {}", usable,
                               capabilities_.smallest);
        } else if (reinterpret_cast<std::uintptr_t>(p) % align != 0) {
            found_ = violation("G2", "{} for {} bytes is not aligned to {}", p, request.size, align);
        } else if (!ranges_.insert(p, usable)) {
            found_ = violation("G1", "{}+{} overlaps what somebody else has", p, usable);
        } else if (request.gfp.has(__GFP_ZERO) && !is_zero(p, std::min(usable, written_by_page))) {
            found_ = violation("G5", "{}+{} is not zero", p, usable);
        }
    }
    void check_content(const Block& block) {
        if (found_ || has_pattern(block.p, block.usable, block.seed)) return;
        found_ = violation("G4", "{}+{} was changed by somebody else", block.p, block.usable);
    }

    A& allocator_;
    Capabilities capabilities_;
    std::vector<Block> blocks_;
    Ranges ranges_;
    std::uint64_t seed_ = 0;
    std::uint64_t allocations_ = 0;
    std::uint64_t frees_ = 0;
    MaybeViolation found_;
};

/// Memory taken from below and blocks free below: what must be as before once everything is given back.
struct Balance {
    std::uint64_t held_bytes = 0;
    FreeBlocks free_blocks;

    template <Allocator A>
    [[nodiscard]] static Balance of(const A& allocator) {
        return {allocator.stats().held_bytes, allocator.free_blocks()};
    }
    /// B16, for allocators that have their memory to themselves.
    template <Allocator A>
    [[nodiscard]] MaybeViolation find_difference(const A& allocator) const {
        if (!free_blocks) return {};
        if (auto found = find_difference_in_bytes(allocator)) return found;
        if (allocator.free_blocks() != free_blocks) return violation("B16", "free blocks are not as before");
        return {};
    }
    template <Allocator A>
    [[nodiscard]] MaybeViolation find_difference_in_bytes(const A& allocator) const {
        const std::uint64_t now = allocator.stats().held_bytes;
        if (now == held_bytes) return {};
        return violation("B16", "{} bytes are held, {} before", now, held_bytes);
    }
};

[[nodiscard]] inline std::uint64_t sum(const PathCounts& counts) {
    std::uint64_t all = 0;
    for (const std::uint64_t count : counts) all += count;
    return all;
}

/// Counts are exact: one path for each operation.
template <Allocator A>
[[nodiscard]] MaybeViolation find_miscount(const A& allocator, std::uint64_t allocations,
                                           std::uint64_t frees) {
    const AllocatorStats stats = allocator.stats();
    if (sum(stats.allocations) != allocations) {
        return violation("stats", "{} allocations counted, {} done", sum(stats.allocations), allocations);
    }
    if (sum(stats.frees) != frees)
        return violation("stats", "{} frees counted, {} done", sum(stats.frees), frees);
    return {};
}

/// The first of several findings.
template <class... More>
[[nodiscard]] MaybeViolation first_of(MaybeViolation found, More... more) {
    if constexpr (sizeof...(More) > 0) {
        if (!found) return first_of(std::move(more)...);
    }
    return found;
}

}  // namespace kmemlab::test

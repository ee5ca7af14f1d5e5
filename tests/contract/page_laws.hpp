/// The laws of PageSource, as functions over a subject that gives pages.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "allocators/machine/page_source.hpp"
#include "tests/contract/subject.hpp"
#include "tests/contract/user.hpp"

namespace kmemlab::test {

/// Blocks of pages as a careful caller has them (user.hpp).
template <PageSource P>
class PageUser {
  public:
    explicit PageUser(P& pages) : pages_{pages} {}

    bool take(Order order, Gfp gfp, CpuId cpu) {
        if (found_) return false;
        const std::optional<Pfn> pfn = pages_.take(order, gfp, cpu);
        if (!pfn) return false;
        check_fresh(*pfn, order, gfp);
        if (found_) return false;
        write_pattern(arena().address(*pfn), order.bytes(), pfn->value());
        blocks_.push_back({*pfn, order});
        return true;
    }
    void give(std::size_t which, CpuId cpu) {
        if (found_) return;
        const Block block = std::exchange(blocks_[which], blocks_.back());
        blocks_.pop_back();
        if (!has_pattern(arena().address(block.pfn), block.order.bytes(), block.pfn.value())) {
            found_ = violation("G4", "pfn {} was changed by somebody else", block.pfn.value());
            return;
        }
        ranges_.erase(arena().address(block.pfn));
        // The words of the owner are the owner's, and reset by whom it gives the block back to (B13).
        arena().page(block.pfn).owner = this;
        pages_.give(block.pfn, block.order, cpu);
    }
    void give_all(CpuId cpu) {
        while (!blocks_.empty() && !found_) give(blocks_.size() - 1, cpu);
    }
    [[nodiscard]] std::size_t live() const { return blocks_.size(); }
    [[nodiscard]] const MaybeViolation& found() const { return found_; }

  private:
    struct Block {
        Pfn pfn;
        Order order;
    };
    [[nodiscard]] Arena& arena() { return pages_.arena(); }

    void check_fresh(Pfn pfn, Order order, Gfp gfp) {
        const std::uint64_t number = pfn.value();
        if (!arena().contains(pfn) || !arena().contains(pfn + (order.pages() - 1))) {
            found_ = violation("B17", "pfn {} of order {} is not in the arena", number, order.value());
        } else if (!pfn.is_aligned(order)) {
            found_ = violation("B2", "pfn {} is not aligned to order {}", number, order.value());
        } else if (!ranges_.insert(arena().address(pfn), order.bytes())) {
            found_ =
                violation("G1", "pfn {} of order {} overlaps what somebody else has", number, order.value());
        } else if (const PageState state = arena().page(pfn).load_state();
                   state.kind != PageKind::allocated || state.order != order.value()) {
            found_ =
                violation("B13", "pfn {} is not described as a block of order {}", number, order.value());
        } else if (gfp.has(__GFP_ZERO) && !is_zero(arena().address(pfn), order.bytes())) {
            found_ = violation("G5", "pfn {} of order {} is not zero", number, order.value());
        } else {
            check_heads(pfn, order, gfp);
        }
    }
    void check_heads(Pfn pfn, Order order, Gfp gfp) {
        if (arena().page(pfn).owner != nullptr) found_ = violation("B13", "pfn {} has an owner", pfn.value());
        if (order == Order{0} || !gfp.has(__GFP_COMP)) return;
        for (std::uint64_t i = 0; i < order.pages(); ++i) {
            if (arena().page(pfn + i).head == arena().index(pfn)) continue;
            found_ = violation("B13", "frame {} of the block at pfn {} has another head", i, pfn.value());
            return;
        }
    }

    P& pages_;
    std::vector<Block> blocks_;
    Ranges ranges_;
    MaybeViolation found_;
};

/// Each order, plain, compound and zero, several at once; all come back (B16).
template <class S>
[[nodiscard]] MaybeViolation takes_all_orders(const S& subject) {
    const auto allocator = subject.make(roomy());
    const Balance before = Balance::of(*allocator);
    PageUser user{*allocator};
    for (const Gfp gfp : {GFP_KERNEL, GFP_KERNEL | __GFP_COMP, GFP_KERNEL | __GFP_ZERO,
                          GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_ZERO, GFP_KERNEL | __GFP_RECLAIMABLE}) {
        for (Order order; order <= max_order; ++order) {
            for (unsigned i = 0; i < 3; ++i) {
                if (!user.take(order, gfp, CpuId{i})) {
                    return first_of(user.found(), violation("M1", "no block of order {}", order.value()));
                }
            }
        }
        user.give_all(CpuId{1});
    }
    if (auto found = allocator->find_violation()) return found;
    allocator->drain(CpuId{0});
    return first_of(user.found(), allocator->find_violation(), before.find_difference(*allocator));
}

/// There is no block above the largest order.
template <class S>
[[nodiscard]] MaybeViolation refuses_larger_orders(const S& subject) {
    const auto allocator = subject.make(roomy());
    for (const unsigned order : {11U, 12U, 20U, 51U, 52U, 63U}) {
        if (allocator->take(Order{order}, GFP_KERNEL, CpuId{0}))
            return violation("G6", "a block of order {}", order);
    }
    return allocator->find_violation();
}

/// Random orders on all CPUs until memory ends, and back.
template <class S>
[[nodiscard]] MaybeViolation pages_survive_churn(const S& subject) {
    const auto allocator = subject.make(tight());
    const Balance before = Balance::of(*allocator);
    PageUser user{*allocator};
    Random random;
    std::uint64_t nulls = 0;
    for (int i = 1; i <= 20000 && !user.found(); ++i) {
        const bool emptying = (i / 3000) % 2 == 1;
        if (user.live() > 0 && random.below(10) < (emptying ? 7 : 3)) {
            user.give(random.below(user.live()), random.cpu());
        } else {
            constexpr std::array<Gfp, 4> kinds{GFP_KERNEL, GFP_HIGHUSER_MOVABLE, GFP_ATOMIC,
                                               GFP_KERNEL | __GFP_RECLAIMABLE | __GFP_COMP};
            const Order order{static_cast<unsigned>(std::min(random.below(8), random.below(8)))};
            nulls += user.take(order, kinds[random.below(kinds.size())], random.cpu()) ? 0 : 1;
        }
        if (i % 1000 != 0) continue;
        if (auto found = allocator->find_violation()) return found;
    }
    if (nulls == 0) return violation("test", "memory never ended");
    user.give_all(CpuId{0});
    allocator->drain(CpuId{0});
    return first_of(user.found(), allocator->find_violation(), before.find_difference(*allocator));
}

}  // namespace kmemlab::test

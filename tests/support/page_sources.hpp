/// Page sources for tests of what stands on one.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "allocators/machine/arena.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/machine/page_source.hpp"

namespace kmemlab::test {

/// Takes pages from the arena's start on and reuses what was given back, the last of an order first. Checks
/// what it gets, and counts. For tests that do not depend on which pages they get.
class BumpPages {
  public:
    explicit BumpPages(Arena& arena) : arena_{arena}, next_{arena.start()}, free_(order_count) {}

    std::optional<Pfn> take(Order order, Gfp gfp, CpuId) {
        const std::lock_guard guard{lock_};
        ++takes_;
        if (takes_ == fail_at_ || takes_ > fail_after_) return {};
        if (largest_ && order > *largest_) return {};
        auto& reusable = free_[order.value()];
        Pfn pfn;
        if (!reusable.empty()) {
            pfn = reusable.back();
            reusable.pop_back();
        } else {
            pfn = next_.align_up(order);
            if (pfn + order.pages() > arena_.end()) return {};
            next_ = pfn + order.pages();
        }
        live_[pfn] = order;
        held_ += order.pages();
        last_gfp_ = gfp;
        describe(pfn, order, gfp);
        return pfn;
    }
    void give(Pfn pfn, Order order, CpuId) {
        const std::lock_guard guard{lock_};
        const auto found = live_.find(pfn);
        if (found == live_.end() || found->second != order) {
            check_failed("a block was given back that is not out, or with another order", __FILE__, __LINE__);
        }
        live_.erase(found);
        held_ -= order.pages();
        for (std::uint64_t i = 0; i < order.pages(); ++i) {
            Page& page = arena_.page(pfn + i);
            page.word = 0;
            page.owner = nullptr;
            page.head = no_frame;
            page.store_state({});
        }
        free_[order.value()].push_back(pfn);
    }
    [[nodiscard]] Arena& arena() { return arena_; }

    /// The k-th call of take from now on fails (1: the next).
    void fail_at(std::uint64_t k) { fail_at_ = takes_ + k; }
    /// All calls of take after the next k fail.
    void fail_after(std::uint64_t k) { fail_after_ = takes_ + k; }
    void fail_never() { fail_at_ = 0, fail_after_ = ~std::uint64_t{0}; }
    /// Orders above `order` fail.
    void limit_order(std::optional<Order> order) { largest_ = order; }

    [[nodiscard]] std::uint64_t takes() const { return takes_; }
    [[nodiscard]] std::uint64_t held_pages() const { return held_; }
    [[nodiscard]] Gfp last_gfp() const { return last_gfp_; }

  private:
    void describe(Pfn pfn, Order order, Gfp gfp) {
        PageState state;
        state.kind = PageKind::allocated;
        state.order = static_cast<std::uint8_t>(order.value());
        arena_.page(pfn).store_state(state);
        if (order == Order{0} || !gfp.has(__GFP_COMP)) return;
        for (std::uint64_t i = 0; i < order.pages(); ++i) arena_.page(pfn + i).head = arena_.index(pfn);
    }

    Arena& arena_;
    Pfn next_;
    SpinLock lock_;
    std::vector<std::vector<Pfn>> free_;
    std::map<Pfn, Order> live_;
    std::uint64_t takes_ = 0;
    std::uint64_t fail_at_ = 0;
    std::uint64_t fail_after_ = ~std::uint64_t{0};
    std::optional<Order> largest_;
    std::uint64_t held_ = 0;
    Gfp last_gfp_;
};
static_assert(PageSource<BumpPages>);

}  // namespace kmemlab::test

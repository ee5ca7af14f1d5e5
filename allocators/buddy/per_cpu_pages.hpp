/// Per-CPU page lists of one zone ("pcp", BUDDY-50..57): blocks of orders 0..3 by order and migrate type,
/// taken and given at the head without a lock; refilled and flushed in batches under the zone's lock.
/// The owner CPU alone touches them. Transparent huge pages, which would add two lists, are not modelled.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "allocators/base/units.hpp"
#include "allocators/machine/page.hpp"
#include "allocators/machine/page_list.hpp"

namespace kmemlab {

/// Largest order that has per-CPU lists.
inline constexpr Order max_pcp_order = costly_order;
inline constexpr unsigned pcp_lists = (max_pcp_order.value() + 1) * request_types;

/// HIGHATOMIC pages lie on MOVABLE's list (BUDDY-55).
[[nodiscard]] constexpr unsigned pcp_list(Order order, MigrateType type) {
    const MigrateType listed = type == MigrateType::highatomic ? MigrateType::movable : type;
    return request_types * order.value() + static_cast<unsigned>(listed);
}

/// A list whose head is kept aside: a page that is taken soon after it was given is never linked.
class PerCpuList {
  public:
    [[nodiscard]] bool empty() const { return head_ == no_frame && rest_.empty(); }

    void push_head(PageArray pages, FrameIndex index) {
        if (head_ != no_frame) rest_.push_head(pages, head_);
        head_ = index;
    }
    void push_tail(PageArray pages, FrameIndex index) { rest_.push_tail(pages, index); }
    /// The list must not be empty.
    FrameIndex pop_head(PageArray pages) {
        if (head_ == no_frame) return rest_.pop_head(pages);
        return std::exchange(head_, no_frame);
    }
    FrameIndex pop_tail(PageArray pages) {
        if (rest_.empty()) return std::exchange(head_, no_frame);
        return rest_.pop_tail(pages);
    }
    /// As PageList::walk.
    template <class Visit>
    bool walk(const Arena& arena, std::uint64_t limit, Visit&& visit) const {
        if (head_ != no_frame && (head_ >= arena.frames() || !visit(head_))) return head_ < arena.frames();
        return rest_.walk(arena, limit, visit);
    }

  private:
    FrameIndex head_ = no_frame;
    PageList rest_;  ///< behind the head
};

struct PerCpuPages {
    std::int64_t high = 0;  ///< at this count pages go back; changed by set_high()
    std::int64_t batch = 1;
    std::uint64_t free_factor = 0;  ///< grows while only frees come: larger batches go back
    // The count of pages over all lists in three words, so that taking and giving a single page each change
    // one of their own: single pages taken, single pages given, and how many more given than taken make it
    // full.
    std::uint64_t taken = 0;
    std::uint64_t given = 0;
    std::int64_t room = 0;
    std::array<PerCpuList, pcp_lists> lists;
    std::int64_t free_pages_difference = 0;  ///< not yet in the zone's counter (BUDDY-90)
    bool stole = false;                      ///< the last take fell back to another migrate type

    /// Pages over all lists (B8).
    [[nodiscard]] std::int64_t count() const {
        return high - room + static_cast<std::int64_t>(given - taken);
    }
    /// count() has reached high.
    [[nodiscard]] bool full() const { return static_cast<std::int64_t>(given - taken) >= room; }
    /// Pages have come onto the lists otherwise than singly; negative: have left.
    void add(std::int64_t pages) { room -= pages; }
    void set_high(std::int64_t pages) {
        room += pages - high;
        high = pages;
    }
    /// Frees of high orders come after frees only: everything goes back at once (BUDDY-55, fh).
    [[nodiscard]] bool freeing_high_order(Order order) const {
        return free_factor > 0 && order > Order{0} && order <= max_pcp_order;
    }
};

}  // namespace kmemlab

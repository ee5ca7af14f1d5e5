/// Per-CPU page lists of one zone ("pcp", BUDDY-50..57): blocks of orders 0..3 by order and migrate type,
/// taken and given at the head without a lock; refilled and flushed in batches under the zone's lock.
/// The owner CPU alone touches them. A single page that is taken soon after it was given is never linked: it
/// waits in front of its list. Transparent huge pages, which would add two lists, are not modelled.
#pragma once

#include <algorithm>
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

struct PerCpuPages {
    std::int64_t high = 0;  ///< at this count pages go back
    std::int64_t batch = 1;
    std::uint64_t free_factor = 0;  ///< grows while only frees come: larger batches go back
    std::uint64_t taken = 0;        ///< pages that take() gave
    std::int64_t added = 0;         ///< pages that add() was told of
    std::int64_t room = 0;          ///< high, less the pages on the lists; changed by set_high()
    /// The page in front of each list of order 0; no_frame: none.
    std::array<FrameIndex, request_types> fronts = {no_frame, no_frame, no_frame};
    std::array<PageList, pcp_lists> lists;
    std::int64_t free_pages_difference = 0;  ///< not yet in the zone's counter (BUDDY-90)
    bool stole = false;                      ///< the last take fell back to another migrate type

    /// A single page; no_frame if there is none of `type`.
    [[nodiscard]] FrameIndex take(PageArray pages, MigrateType type) {
        FrameIndex& front = fronts[static_cast<unsigned>(type)];
        FrameIndex index = front;
        if (index != no_frame) [[likely]] {
            front = no_frame;
        } else {
            PageList& list = lists[pcp_list(Order{0}, type)];
            if (list.empty()) return no_frame;
            index = list.pop_head(pages);
            ++room;
        }
        ++taken;
        return index;
    }
    /// A single page.
    void give(PageArray pages, MigrateType type, FrameIndex index) {
        FrameIndex& front = fronts[static_cast<unsigned>(type)];
        if (front != no_frame) [[unlikely]] {
            lists[pcp_list(Order{0}, type)].push_head(pages, front);
            --room;
        }
        front = index;
    }
    /// Puts the front pages on their lists. For whoever takes from a list or puts onto one otherwise.
    void link_fronts(PageArray pages) {
        for (unsigned type = 0; type < request_types; ++type) {
            if (fronts[type] == no_frame) continue;
            lists[type].push_head(pages, std::exchange(fronts[type], no_frame));
            --room;
        }
    }
    /// Pages have been put onto the lists otherwise than by give(); negative: taken otherwise than by take().
    void add(std::int64_t pages) {
        room -= pages;
        added += pages;
    }

    [[nodiscard]] bool empty(unsigned list) const {
        return lists[list].empty() && (list >= request_types || fronts[list] == no_frame);
    }
    /// As PageList::walk, the front page first.
    template <class Visit>
    bool walk(unsigned list, const Arena& arena, std::uint64_t limit, Visit&& visit) const {
        const FrameIndex front = list < request_types ? fronts[list] : no_frame;
        if (front != no_frame && (front >= arena.frames() || !visit(front))) return front < arena.frames();
        return lists[list].walk(arena, limit, visit);
    }

    void set_high(std::int64_t pages) {
        room += pages - high;
        high = pages;
    }
    /// Pages on the lists.
    [[nodiscard]] std::int64_t linked() const { return high - room; }
    /// Pages over all lists (B8).
    [[nodiscard]] std::int64_t count() const {
        return linked() + request_types - std::count(fronts.begin(), fronts.end(), no_frame);
    }
    /// Pages that give() took.
    [[nodiscard]] std::uint64_t given() const { return taken + static_cast<std::uint64_t>(count() - added); }
    /// count() has reached high.
    [[nodiscard]] bool full() const {
        if (room > request_types) [[likely]]
            return false;
        return count() >= high;
    }
    /// Frees of high orders come after frees only: everything goes back at once (BUDDY-55, fh).
    [[nodiscard]] bool freeing_high_order(Order order) const {
        return free_factor > 0 && order > Order{0} && order <= max_pcp_order;
    }
};

}  // namespace kmemlab

/// What damages of several allocators do with page descriptors.
#pragma once

#include <cstdint>
#include <vector>

#include "allocators/machine/arena.hpp"
#include "allocators/machine/page_list.hpp"
#include "fuzz/damage/damage.hpp"

namespace kmemlab::fuzz {

/// The first frames of blocks of a kind; of one owner, if that is not null.
[[nodiscard]] inline std::vector<FrameIndex> blocks_of(const Arena& arena, PageKind kind,
                                                       const void* owner = nullptr) {
    std::vector<FrameIndex> found;
    for (std::uint64_t i = 0; i < arena.frames();) {
        const auto head = static_cast<FrameIndex>(i);
        const PageState state = arena.page_at(head).load_state();
        if (state.kind == kind && (owner == nullptr || arena.page_at(head).owner == owner))
            found.push_back(head);
        i += state.kind == PageKind::none ? 1 : Order{state.order}.pages();
    }
    return found;
}

/// One of them; no_frame: there is none.
[[nodiscard]] inline FrameIndex pick_block(const Damage& damage, const std::vector<FrameIndex>& blocks) {
    return blocks.empty() ? no_frame : blocks[damage.pick(blocks.size())];
}

/// One on a list whose links are sound; no_frame: it is empty.
[[nodiscard]] inline FrameIndex pick_listed(const Damage& damage, const Arena& arena, const PageList& list) {
    std::vector<FrameIndex> listed;
    static_cast<void>(list.walk(arena, arena.frames(), [&](FrameIndex i) {
        listed.push_back(i);
        return true;
    }));
    return pick_block(damage, listed);
}

inline void keep_page(Damage& damage, Page& page) {
    damage.keep(page.word);
    damage.keep(page.owner);
    damage.keep(page.next);
    damage.keep(page.prev);
    damage.keep(page.state);
}

/// The list, and the links of those around a member, or around a new one at an end.
inline void keep_list(Damage& damage, const Arena& arena, PageList& list, FrameIndex member) {
    damage.keep(list);
    for (const FrameIndex i : {member, list.head(), list.tail()}) {
        if (i == no_frame) continue;
        for (const FrameIndex near : {i, arena.page_at(i).next, arena.page_at(i).prev}) {
            if (near >= arena.frames()) continue;
            damage.keep(arena.page_at(near).next);
            damage.keep(arena.page_at(near).prev);
        }
    }
}

/// Takes a member off, as if it never was on the list.
inline void take_off(Damage& damage, const Arena& arena, PageList& list, FrameIndex member) {
    keep_list(damage, arena, list, member);
    list.remove(arena, member);
}

/// The second of a list says that it is its own predecessor.
inline void break_links(Damage& damage, const Arena& arena, const PageList& list) {
    if (list.head() == list.tail()) return;
    const FrameIndex second = arena.page_at(list.head()).next;
    damage.set(arena.page_at(second).prev, second);
}

// --- Blocks that tell wrong things of themselves; no_frame: nothing is done ---

inline void rename_head(Damage& damage, const Arena& arena, FrameIndex block) {
    if (block == no_frame) return;
    const Order order{arena.page_at(block).load_state().order};
    damage.set(arena.page_at(block + static_cast<FrameIndex>(damage.pick(order.pages()))).head, block + 1);
}
inline void change_owner(Damage& damage, const Arena& arena, FrameIndex block) {
    if (block != no_frame) damage.set(arena.page_at(block).owner, &arena.page_at(block));
}
inline void lose_block(Damage& damage, const Arena& arena, FrameIndex block) {
    if (block != no_frame) damage.set(arena.page_at(block).state, PageState{});
}

}  // namespace kmemlab::fuzz

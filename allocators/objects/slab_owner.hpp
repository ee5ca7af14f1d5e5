/// From an object to its cache: what every kfree of SLAB, SLUB and sheaves begins with.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocators/machine/page.hpp"

namespace kmemlab {

/// The cache of the slab `offset` bytes behind the begin of an arena of so many bytes and frames; nullptr:
/// there is no slab, or no arena, so the address takes a closer look.
template <class Cache>
[[nodiscard, gnu::always_inline]] inline Cache* owner_of_slab(std::size_t offset, std::size_t arena_bytes,
                                                              const Page* pages, std::uint64_t frames) {
    if (offset >= arena_bytes) [[unlikely]]
        return nullptr;
    const FrameIndex head = pages[offset >> page_shift].head;
    if (head >= frames) [[unlikely]]
        return nullptr;
    const Page& slab = pages[head];
    if (slab.load_state().kind != PageKind::slab) [[unlikely]]
        return nullptr;
    auto* const owner = static_cast<Cache*>(slab.owner);
    // Every slab has one: who asks for nullptr need not look again.
    if (owner == nullptr) __builtin_unreachable();
    return owner;
}

}  // namespace kmemlab

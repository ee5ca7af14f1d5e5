/// Fragmentation as LLFree's authors draw it (Wrenger et al., USENIX ATC 2023): how many pages of each huge
/// page are free. Only a huge page that is free as a whole can be given as one.
///
///     frames      |........512........|........512........|....        huge page n: frames with pfn / 512 =
///     n free_pages  |        512        |        37         |
///
/// Free is what nobody has: on a zone's free lists, or waiting in a CPU's list. The latter do not merge until
/// they are drained, which a kernel does before it gives up; what they lie between is no fragmentation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "allocators/machine/arena.hpp"

namespace kmemlab::replay {

inline constexpr Order huge_page_order{9};
inline constexpr std::uint64_t huge_page_frames = huge_page_order.pages();
/// No map of an arena with more: 16 GiB.
inline constexpr std::uint64_t most_mapped_frames = std::uint64_t{1} << 22;

/// Free pages of each huge page, the first that the arena touches first; those at the arena's ends may be
/// cut. Empty for an arena that is too large.
[[nodiscard]] inline std::vector<std::uint16_t> free_pages_map(const Arena& arena) {
    if (arena.frames() > most_mapped_frames) return {};
    const std::uint64_t first = arena.start().value() / huge_page_frames;
    const std::uint64_t last = (arena.end().value() - 1) / huge_page_frames;
    std::vector<std::uint16_t> map(last - first + 1);
    for (Pfn pfn = arena.start(); pfn < arena.end();) {
        const PageState state = arena.page(pfn).load_state();
        if (state.kind != PageKind::free_block && state.kind != PageKind::per_cpu) {
            pfn = pfn + 1;
            continue;
        }
        // A block is aligned to its size: within one huge page, or made of whole ones.
        const std::uint64_t frames = Order{state.order}.pages();
        const auto in_each = static_cast<std::uint16_t>(std::min(frames, huge_page_frames));
        for (std::uint64_t done = 0; done < frames; done += in_each) {
            std::uint16_t& free = map[(pfn.value() + done) / huge_page_frames - first];
            free = static_cast<std::uint16_t>(free + in_each);
        }
        pfn = pfn + frames;
    }
    return map;
}

}  // namespace kmemlab::replay

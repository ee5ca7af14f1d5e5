/// The page descriptor: what the allocators remember about one page frame (Linux's struct page).
///
///     0        8        16   20   24    28    32 bytes, half of Linux's 64
///     +--------+--------+----+----+-----+-----+
///     | word   | owner  |next|prev|state|head |
///     +--------+--------+----+----+-----+-----+
///
/// `state` packs kind, order, migrate type and flags into one word that is read and written whole: the
/// merge test reads the state of a neighbour that may belong to somebody else at that moment, who never
/// makes it look free. All other fields belong to whoever holds the frame: the zone (under its lock) while
/// it is on a free list, a CPU while it is on that CPU's page list, the owner once allocated.
/// A descriptor of zeroes is a frame that heads nothing: an inner frame of some block, or never used.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "allocators/base/units.hpp"

namespace kmemlab {

/// Migrate types (BUDDY, names). A request has one of the first three; HIGHATOMIC blocks are the reserve.
enum class MigrateType : std::uint8_t { unmovable, movable, reclaimable, highatomic };
inline constexpr unsigned migrate_types = 4;
/// Types a request can have, which are also those that per-CPU page lists are kept for.
inline constexpr unsigned request_types = 3;

/// What a frame heads. B5: each frame is in exactly one block, and the block's first frame says which kind.
enum class PageKind : std::uint8_t {
    none,        ///< heads nothing
    free_block,  ///< on a free list of its zone
    per_cpu,     ///< on a per-CPU page list
    allocated,   ///< given to a caller
    slab,        ///< allocated, and a slab of the object layer
    large,       ///< allocated, and one object beyond the size classes
    reserved,    ///< never given out
    lru,         ///< in use by somebody who lets it be moved (counts as alike in BUDDY-34)
};

struct alignas(4) PageState {  // aligned, so that clang too makes its atomic one instruction
    PageKind kind = PageKind::none;
    std::uint8_t order = 0;
    MigrateType type = MigrateType::unmovable;  ///< of the list it is or was on (BUDDY-20, 55)
    std::uint8_t flags = 0;                     ///< of these two

    static constexpr std::uint8_t compound = 1;  ///< tails point to this head
    static constexpr std::uint8_t shared = 2;    ///< there is more than one reference

    [[nodiscard]] constexpr bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
    /// Somebody outside the page allocator holds the block.
    [[nodiscard]] constexpr bool in_use() const {
        return kind == PageKind::allocated || kind == PageKind::slab || kind == PageKind::large;
    }
    /// As one word: the compiler compares member by member otherwise.
    friend constexpr bool operator==(PageState a, PageState b) {
        return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
    }
};
static_assert(sizeof(PageState) == 4);

/// Position of a frame in its arena. 32 bits reach 16 TiB.
using FrameIndex = std::uint32_t;
inline constexpr FrameIndex no_frame = ~FrameIndex{0};

struct alignas(32) Page {
    /// The owner's word. A slab's packed counters (atomic there); of a block of pages the number of
    /// references to it (BUDDY-60, 61).
    std::uint64_t word = 0;
    void* owner = nullptr;       ///< cache of a slab; free for the owner otherwise
    FrameIndex next = no_frame;  ///< list links, meaningful only while on a list
    FrameIndex prev = no_frame;
    std::atomic<PageState> state{};
    /// First frame of the compound block that this frame is in (of the slab, of the large object).
    FrameIndex head = no_frame;

    [[nodiscard, gnu::always_inline]] PageState load_state() const {
        return state.load(std::memory_order_relaxed);
    }
    [[gnu::always_inline]] void store_state(PageState s) { state.store(s, std::memory_order_relaxed); }
};
static_assert(sizeof(Page) == 32, "at most 32 bytes per frame");
static_assert(std::atomic<PageState>::is_always_lock_free);

}  // namespace kmemlab

/// The word of a slab that several CPUs change: where its free list begins, and its counts, in the 64 bits of
/// Page::word, exchanged as one.
///
///     0            20        36         52     53
///     | freelist/8 | inuse   | objects  |frozen| 0 ...
///
/// The kernel exchanges two words (pointer and counters, cmpxchg16b); an offset from the slab's start needs
/// so few bits that one word and a plain cmpxchg do. No ABA guard is needed (C3): objects are pushed onto
/// the list one by one or the list is taken whole, never one popped.
///
/// All is inlined: fields that are put into memory one by one and read back together, for a call, wait there
/// for what was stored before them.
#pragma once

#include <atomic>
#include <cstdint>

#include "allocators/base/check.hpp"
#include "allocators/machine/page.hpp"

namespace kmemlab {

struct SlabWord {
    static constexpr unsigned freelist_bits = 20;
    static constexpr unsigned count_bits = 16;
    static constexpr std::uint32_t no_object = (1U << freelist_bits) - 1;

    std::uint32_t freelist = no_object;  ///< offset / 8 of the first free object, or no_object
    std::uint32_t inuse = 0;             ///< objects that are not on this free list
    std::uint32_t objects = 0;
    bool frozen = false;  ///< belongs to one CPU: its slab, or on its partial list (U2)

    [[nodiscard, gnu::always_inline]] std::uint64_t pack() const {
        KMEMLAB_DEBUG_CHECK(inuse <= objects && objects < (1U << count_bits));  // U7
        return std::uint64_t{freelist} | std::uint64_t{inuse} << freelist_bits |
               std::uint64_t{objects} << (freelist_bits + count_bits) |
               std::uint64_t{frozen} << (freelist_bits + 2 * count_bits);
    }
    [[nodiscard, gnu::always_inline]] static SlabWord unpack(std::uint64_t bits) {
        constexpr std::uint64_t count_mask = (1U << count_bits) - 1;
        return {static_cast<std::uint32_t>(bits & no_object),
                static_cast<std::uint32_t>(bits >> freelist_bits & count_mask),
                static_cast<std::uint32_t>(bits >> (freelist_bits + count_bits) & count_mask),
                (bits >> (freelist_bits + 2 * count_bits) & 1) != 0};
    }

    [[nodiscard]] bool has_free() const { return freelist != no_object; }

    [[nodiscard, gnu::always_inline]] static SlabWord load(Page& page) {
        return unpack(std::atomic_ref{page.word}.load(std::memory_order_acquire));
    }
    void store(Page& page) const { std::atomic_ref{page.word}.store(pack(), std::memory_order_release); }
    /// Makes `page` hold `after` if it holds *this; `alone`: nobody else can change it meanwhile.
    [[nodiscard, gnu::always_inline]] bool exchange(Page& page, const SlabWord& after, bool alone) const {
        std::uint64_t expected = pack();
        if (alone) {
            if (page.word != expected) return false;
            page.word = after.pack();
            return true;
        }
        return std::atomic_ref{page.word}.compare_exchange_strong(
            expected, after.pack(), std::memory_order_acq_rel, std::memory_order_acquire);
    }
};
static_assert(SlabWord::freelist_bits + 2 * SlabWord::count_bits + 1 <= 64);

}  // namespace kmemlab

/// Watermarks: how many pages a zone keeps free, and who may go below (BUDDY-73..83). Pure functions of
/// page counts.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>

#include "allocators/base/gfp.hpp"
#include "allocators/base/units.hpp"
#include "allocators/buddy/zone_layout.hpp"

namespace kmemlab {

/// Pages. Linux's promo mark is of no use without memory tiers and left out.
struct Watermarks {
    std::uint64_t min = 0;
    std::uint64_t low = 0;
    std::uint64_t high = 0;
};

enum class Mark : std::uint8_t { min, low, high };

[[nodiscard]] constexpr std::uint64_t level(const Watermarks& marks, Mark mark) {
    return mark == Mark::min ? marks.min : mark == Mark::low ? marks.low : marks.high;
}

/// What an attempt to allocate may do beyond the ordinary (Linux's ALLOC_* flags).
struct AttemptFlags {
    bool min_reserve = false;    ///< may use half of what min keeps
    bool non_block = false;      ///< with min_reserve: a quarter of the rest too
    bool highatomic = false;     ///< may use the HIGHATOMIC reserve, and adds to it
    bool oom = false;            ///< an OOM victim: another half
    bool no_fragment = false;    ///< no fallback that mixes types inside a pageblock
    bool no_watermarks = false;  ///< takes the last page

    /// Requests that the HIGHATOMIC reserve counts as usable for (BUDDY-73, R).
    [[nodiscard]] constexpr bool reserves() const { return non_block || min_reserve || highatomic || oom; }
};

/// The mark that an attempt with these rights must stay above, before lowmem_reserve (BUDDY-73).
[[nodiscard]] constexpr std::uint64_t lowered_mark(std::uint64_t mark, const AttemptFlags& flags) {
    if (flags.min_reserve) {
        mark -= mark / 2;
        if (flags.non_block) mark -= mark / 4;
    }
    if (flags.oom) mark -= mark / 2;
    return mark;
}

/// floor(sqrt(n))
[[nodiscard]] inline std::uint64_t integer_sqrt(std::uint64_t n) {
    auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(n)));
    while (root * root > n) --root;
    while ((root + 1) * (root + 1) <= n) ++root;
    return root;
}

/// kB to keep free, from the pages of all zones up to NORMAL (BUDDY-80).
[[nodiscard]] inline std::uint64_t computed_min_free_kbytes(std::uint64_t lowmem_pages) {
    return std::clamp<std::uint64_t>(integer_sqrt(std::uint64_t{16} * 4 * lowmem_pages), 128, 262144);
}

/// The marks of a zone of `managed` pages, of which all zones without highmem have `lowmem` (BUDDY-81).
[[nodiscard]] constexpr Watermarks zone_watermarks(std::uint64_t min_free_kbytes, std::uint64_t managed,
                                                   std::uint64_t lowmem, bool highmem,
                                                   std::uint64_t scale_factor) {
    const std::uint64_t share = lowmem == 0 ? 0 : min_free_kbytes / 4 * managed / lowmem;
    const std::uint64_t min = highmem ? std::clamp<std::uint64_t>(managed / 1024, 32, 128) : share;
    const std::uint64_t gap = std::max(share / 4, managed * scale_factor / 10000);
    return {min, min + gap, min + 2 * gap};
}

using ZoneCounts = std::array<std::uint64_t, max_zones>;

/// lowmem_reserve[zone][highest]: pages of `zone` that a request which could have used zones up to `highest`
/// leaves alone (BUDDY-82). By position in the list of configured zones.
[[nodiscard]] constexpr std::array<ZoneCounts, max_zones> lowmem_reserves(
    std::span<const std::uint64_t> managed, std::span<const std::uint64_t> ratios) {
    std::array<ZoneCounts, max_zones> reserves{};
    for (std::size_t zone = 0; zone < managed.size(); ++zone) {
        std::uint64_t above = 0;
        for (std::size_t highest = zone + 1; highest < managed.size(); ++highest) {
            above += managed[highest];
            reserves[zone][highest] = ratios[zone] == 0 || managed[zone] == 0 ? 0 : above / ratios[zone];
        }
    }
    return reserves;
}

/// Pages that a CPU may keep to itself before the zone's counter of free pages is corrected (BUDDY-91);
/// one CPU alone keeps none.
[[nodiscard]] constexpr std::int64_t counter_threshold(std::uint64_t managed, unsigned cpus) {
    if (cpus == 1) return 0;
    const auto bits = static_cast<std::int64_t>(std::bit_width(cpus));
    const auto memory = static_cast<std::int64_t>(std::bit_width(managed >> (27 - page_shift)));
    return std::min<std::int64_t>(125, 2 * bits * (1 + memory));
}

/// Pages moved at once between a per-CPU list and the zone (BUDDY-51).
[[nodiscard]] constexpr std::uint64_t pcp_batch(std::uint64_t managed) {
    const std::uint64_t b = std::max<std::uint64_t>(std::min<std::uint64_t>(managed / 1024, 256) / 4, 1);
    return std::max<std::uint64_t>(std::bit_floor(b + b / 2) - 1, 1);
}

/// Pages that the lists of one CPU for one zone may hold (BUDDY-52).
[[nodiscard]] constexpr std::uint64_t pcp_high(std::uint64_t low_mark, unsigned cpus, std::uint64_t batch) {
    return std::max(low_mark / cpus, 4 * batch);
}

// Worked examples of the specification.
static_assert(pcp_batch(4096) == 1 && pcp_batch(47129) == 15 && pcp_batch(256921) == 63);
static_assert(zone_watermarks(8192, 1048576, 1048576, false, 10).high == 4144);
static_assert(counter_threshold(254940, 4) == 24 && counter_threshold(3840, 4) == 6);

}  // namespace kmemlab

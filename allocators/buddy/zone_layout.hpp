/// Which zones there are and which frames they hold, and every value of the page allocator that can be set.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/base/tunable.hpp"
#include "allocators/base/units.hpp"
#include "allocators/machine/arena.hpp"

namespace kmemlab {

/// Zones in ascending order; a request may use its highest zone and those below (BUDDY-2).
enum class ZoneType : std::uint8_t { dma, dma32, normal, highmem, movable };
inline constexpr unsigned max_zones = 5;

[[nodiscard]] std::string_view to_string(ZoneType type);

/// Frames [start, end).
struct FrameRange {
    Pfn start;
    Pfn end;
    [[nodiscard]] std::uint64_t frames() const { return end - start; }
};

struct ZoneSpec {
    ZoneType type = ZoneType::normal;
    FrameRange span;                 ///< spanned frames, holes included; empty: not populated
    std::vector<FrameRange> memory;  ///< ascending frames that exist; what lies between is a hole
    std::uint64_t managed = 0;       ///< frames that the watermarks are computed from; 0: all that exist
};

struct BuddyConfig {
    std::string layout = "x86-64";
    std::string lowmem_reserve_ratio = "256/256/32";  ///< DMA/DMA32/NORMAL; 0: no reserve
    std::uint64_t pageblock_order = 9;
    std::uint64_t min_free_kbytes = 0;  ///< 0: computed (BUDDY-80)
    std::uint64_t watermark_scale_factor = 10;
    std::uint64_t watermark_boost_factor = 15000;
    std::uint64_t pcp_batch = 0;  ///< pages; 0: computed (BUDDY-51)
    std::uint64_t pcp_high = 0;   ///< pages; 0: computed (BUDDY-52)
    bool pcp = true;              ///< per-CPU page lists (off: BUDDY-52, "disabled")

    [[nodiscard]] std::vector<Tunable> tunables();
};

/// The zones that `config.layout` makes of an arena:
///  - "x86-64": DMA below 16 MiB, DMA32 below 4 GiB, NORMAL above, and an empty MOVABLE;
///  - "single": everything is NORMAL, as on machines without limits of DMA;
///  - "NAME:PAGES,...,NAME": zones by size in pages, the last one takes the rest; borders as given.
/// Throws UsageError for another text, zones out of order, or more pages than the arena has.
[[nodiscard]] std::vector<ZoneSpec> zone_layout(const BuddyConfig& config, const Arena& arena);

/// Ratios by zone from "256/256/32" (missing ones are 0). Throws UsageError.
[[nodiscard]] std::array<std::uint64_t, max_zones> reserve_ratios(std::string_view text);

}  // namespace kmemlab

#include "bench/trace/gfp_text.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "bench/trace/numbers.hpp"
#include "bench/trace/operation.hpp"

namespace kmemlab::trace {
namespace {

struct Name {
    std::string_view text;
    Gfp gfp;
};

constexpr Gfp transhuge_light =
    (GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NOWARN).without(__GFP_RECLAIM);

constexpr std::array combinations{
    Name{"GFP_TRANSHUGE", transhuge_light | __GFP_DIRECT_RECLAIM},
    Name{"GFP_TRANSHUGE_LIGHT", transhuge_light},
    Name{"GFP_HIGHUSER_MOVABLE", GFP_HIGHUSER_MOVABLE},
    Name{"GFP_HIGHUSER", GFP_HIGHUSER},
    Name{"GFP_USER", GFP_USER},
    Name{"GFP_TEMPORARY", GFP_KERNEL | __GFP_RECLAIMABLE},
    Name{"GFP_KERNEL_ACCOUNT", GFP_KERNEL_ACCOUNT},
    Name{"GFP_KERNEL", GFP_KERNEL},
    Name{"GFP_NOFS", GFP_NOFS},
    Name{"GFP_ATOMIC", GFP_ATOMIC},
    Name{"GFP_NOIO", GFP_NOIO},
    Name{"GFP_NOWAIT", GFP_NOWAIT},
    Name{"GFP_DMA", GFP_DMA},
    Name{"GFP_DMA32", GFP_DMA32},
    Name{"none", Gfp{}},
};

/// Single bits, without their prefix: "__GFP_" since Linux 4.6, "GFP_" before.
constexpr std::array bits{
    Name{"DMA", __GFP_DMA},
    Name{"HIGHMEM", __GFP_HIGHMEM},
    Name{"DMA32", __GFP_DMA32},
    Name{"MOVABLE", __GFP_MOVABLE},
    Name{"RECLAIMABLE", __GFP_RECLAIMABLE},
    Name{"HIGH", __GFP_HIGH},
    Name{"IO", __GFP_IO},
    Name{"FS", __GFP_FS},
    Name{"ZERO", __GFP_ZERO},
    Name{"ATOMIC", __GFP_ATOMIC},
    Name{"RECLAIM", __GFP_RECLAIM},
    Name{"WAIT", __GFP_RECLAIM},
    Name{"DIRECT_RECLAIM", __GFP_DIRECT_RECLAIM},
    Name{"KSWAPD_RECLAIM", __GFP_KSWAPD_RECLAIM},
    Name{"WRITE", __GFP_WRITE},
    Name{"NOWARN", __GFP_NOWARN},
    Name{"RETRY_MAYFAIL", __GFP_RETRY_MAYFAIL},
    Name{"REPEAT", __GFP_RETRY_MAYFAIL},
    Name{"NOFAIL", __GFP_NOFAIL},
    Name{"NORETRY", __GFP_NORETRY},
    Name{"MEMALLOC", __GFP_MEMALLOC},
    Name{"COMP", __GFP_COMP},
    Name{"NOMEMALLOC", __GFP_NOMEMALLOC},
    Name{"HARDWALL", __GFP_HARDWALL},
    Name{"THISNODE", __GFP_THISNODE},
    Name{"ACCOUNT", __GFP_ACCOUNT},
    Name{"ZEROTAGS", __GFP_ZEROTAGS},
    // Known and dropped.
    Name{"COLD", Gfp{}},
    Name{"NOTRACK", Gfp{}},
    Name{"OTHER_NODE", Gfp{}},
    Name{"NO_KSWAPD", Gfp{}},
    Name{"NOLOCKDEP", Gfp{}},
    Name{"SKIP_ZERO", Gfp{}},
    Name{"SKIP_KASAN", Gfp{}},
    Name{"SKIP_KASAN_POISON", Gfp{}},
    Name{"SKIP_KASAN_UNPOISON", Gfp{}},
    Name{"NO_OBJ_EXT", Gfp{}},
    Name{"NO_CODETAG", Gfp{}},
    Name{"UNUSED", Gfp{}},
};

template <class Names>
std::optional<Gfp> look_up(const Names& names, std::string_view text) {
    const auto found =
        std::find_if(names.begin(), names.end(), [&](const Name& n) { return n.text == text; });
    return found == names.end() ? std::nullopt : std::optional{found->gfp};
}

std::optional<Gfp> gfp_of_name(std::string_view name) {
    if (const auto gfp = look_up(combinations, name)) return gfp;
    if (name.starts_with("__")) name.remove_prefix(2);
    if (!name.starts_with("GFP_")) return std::nullopt;
    return look_up(bits, name.substr(4));
}

}  // namespace

GfpText parse_gfp(std::string_view text) {
    GfpText result;
    while (!text.empty()) {
        const std::size_t bar = std::min(text.find('|'), text.size());
        const std::string_view part = text.substr(0, bar);
        text.remove_prefix(std::min(bar + 1, text.size()));
        if (const auto gfp = gfp_of_name(part)) {
            result.gfp = result.gfp | *gfp;
        } else if (const auto number = parse_number(part)) {
            result.gfp = result.gfp | Gfp{static_cast<std::uint32_t>(*number & Operation::gfp_mask)};
            result.unknown += (*number & ~std::uint64_t{Operation::gfp_mask}) != 0;
        } else {
            ++result.unknown;
        }
    }
    return result;
}

}  // namespace kmemlab::trace

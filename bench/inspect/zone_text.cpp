#include "bench/inspect/zone_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "bench/inspect/page_map.hpp"
#include "bench/inspect/words.hpp"

namespace kmemlab::inspect {
namespace {

using Zone = kmemlab::Zone<OwnedCpus>;
using Row = std::array<std::uint64_t, order_count>;

constexpr std::array<std::string_view, migrate_types> type_names{"unmovable", "movable", "reclaimable",
                                                                 "highatomic"};
constexpr std::string_view type_letters = "UMRH";

std::string row_text(std::string_view name, const Row& blocks) {
    std::string text = fmt::format("  {:<12}", name);
    std::uint64_t pages = 0;
    for (unsigned order = 0; order < order_count; ++order) {
        text += blocks[order] == 0 ? fmt::format("{:>6}", '.') : fmt::format("{:>6}", blocks[order]);
        pages += blocks[order] * Order{order}.pages();
    }
    return text + fmt::format("{:>9}\n", pages);
}

Row free_blocks(const Zone& zone, const Arena& arena, unsigned type) {
    Row blocks{};
    for (unsigned order = 0; order < order_count; ++order) {
        zone.free_area(Order{order}).lists[type].walk(arena, zone.present(), [&](FrameIndex) {
            return ++blocks[order], true;
        });
    }
    return blocks;
}

Row blocks_kept(const PerCpuPages& pcp, const Zone& zone, const Arena& arena) {
    Row blocks{};
    for (unsigned list = 0; list < pcp_lists; ++list) {
        pcp.walk(list, arena, zone.present(),
                 [&](FrameIndex) { return ++blocks[list / request_types], true; });
    }
    return blocks;
}

std::string lists_text(const Zone& zone, const Arena& arena, unsigned cpus) {
    std::string text = fmt::format("  {:<12}", "order");
    for (unsigned order = 0; order < order_count; ++order) text += fmt::format("{:>6}", order);
    text += fmt::format("{:>9}\n", "pages");
    for (unsigned type = 0; type < migrate_types; ++type)
        text += row_text(type_names[type], free_blocks(zone, arena, type));
    for (CpuId cpu; cpu.value() < cpus; ++cpu) {
        const PerCpuPages& pcp = zone.per_cpu(cpu);
        if (pcp.count() != 0)
            text += row_text(fmt::format("CPU {}", cpu.value()), blocks_kept(pcp, zone, arena));
    }
    return text;
}

/// A character for each page of the zone: the order of the free block that it is in, o on a CPU's list, # in
/// use.
std::string pages_text(const Zone& zone, const Arena& arena) {
    constexpr std::string_view orders = "0123456789A";
    std::string pages;
    for_each_block(arena, [&](FrameIndex head, PageState state, std::uint64_t count) {
        if (!zone.contains(arena.pfn_at(head))) return;
        const bool is_free = state.kind == PageKind::free_block;
        const bool kept = state.kind == PageKind::per_cpu;
        pages.append(count, is_free ? orders[state.order] : kept ? 'o' : '#');
    });
    return pages;
}

/// What a few pages are as one character.
char condensed(std::string_view pages) {
    if (pages.find_first_not_of(pages.front()) == std::string_view::npos) return pages.front();
    const bool used = pages.find('#') != std::string_view::npos;
    return used ? '+' : '.';
}

/// At most 64 lines of 64 characters, with the migrate type of the pageblock that each line begins in.
std::string map_text(const Zone& zone, const Arena& arena) {
    constexpr std::size_t width = 64;
    constexpr std::size_t lines = 64;
    const std::string pages = pages_text(zone, arena);
    std::size_t each = 1;
    while (pages.size() > each * width * lines) each *= 2;
    std::string text =
        fmt::format("  map, {} a character: # in use, o on a CPU's list, 0..9 and A free, of that order{}\n",
                    counted(each, "page"), each > 1 ? ", + and . of several kinds" : "");
    std::string before;
    std::size_t alike = 0;
    const auto tell_alike = [&] {
        if (alike != 0) text += fmt::format("            ... {} like this\n", counted(alike, "line"));
        alike = 0;
    };
    for (std::size_t line = 0; line < pages.size(); line += each * width) {
        const Pfn pfn = zone.span().start + line;
        std::string drawn{type_letters[static_cast<std::size_t>(zone.pageblock_type(pfn))], ' '};
        for (std::size_t at = line; at < std::min(line + each * width, pages.size()); at += each)
            drawn += condensed(std::string_view{pages}.substr(at, each));
        if (drawn == before) {
            ++alike;
            continue;
        }
        tell_alike();
        text += fmt::format("  {:>9} {}\n", pfn.value(), drawn);
        before = std::move(drawn);
    }
    tell_alike();
    return text;
}

}  // namespace

std::string zones_text(const Buddy<OwnedCpus>& buddy, const Arena& arena) {
    std::string text;
    for (const auto& zone : buddy.zones()) {
        if (!zone->populated()) continue;
        const Watermarks& marks = zone->settings().marks;
        text += fmt::format("{}zone {}: {} pages, watermarks {} {} {}\n\n", text.empty() ? "" : "\n",
                            to_string(zone->type()), zone->present(), marks.min, marks.low, marks.high);
        text += lists_text(*zone, arena, buddy.cpu_count());
        text += "\n  pageblocks:";
        const auto by_type = zone->pageblocks_by_type();
        for (unsigned type = 0; type < migrate_types; ++type)
            text +=
                fmt::format(" {} {}{}", by_type[type], type_names[type], type + 1 < migrate_types ? "," : "");
        text += fmt::format(", of {} pages each\n\n", zone->pageblock_pages());
        text += map_text(*zone, arena);
    }
    return text;
}

}  // namespace kmemlab::inspect

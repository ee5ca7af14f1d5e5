#include "bench/inspect/page_map.hpp"

namespace kmemlab::inspect {
namespace {

Owner owner_of_block(FrameIndex head, PageState state, const OwnerOf& owner_of) {
    switch (state.kind) {
        case PageKind::free_block:
            return {PageUse::free, "free", state.order};
        case PageKind::per_cpu:
            return {PageUse::per_cpu, "on a CPU's list"};
        case PageKind::none:
        case PageKind::reserved:
            return {PageUse::reserved, "reserved"};
        default:
            return owner_of(head, state);
    }
}

std::string pageblocks_of(const Buddy<OwnedCpus>& buddy, const Arena& arena) {
    constexpr std::string_view letters = "UMRH";
    const Order order = buddy.zones().front()->pageblock_order();
    std::string types;
    for (Pfn pfn = arena.start().align_down(order); pfn < arena.end(); pfn += order.pages()) {
        char letter = '-';  // in no zone
        for (const auto& zone : buddy.zones()) {
            const Pfn inside = std::max(pfn, zone->span().start);
            if (zone->populated() && zone->contains(inside) && inside < pfn + order.pages())
                letter = letters[static_cast<std::size_t>(zone->pageblock_type(inside))];
        }
        types += letter;
    }
    return types;
}

}  // namespace

std::string_view to_string(PageUse use) {
    constexpr std::string_view names[]{"free", "per_cpu", "slab", "large", "pages", "reserved"};
    return names[static_cast<std::size_t>(use)];
}

std::uint32_t OwnerTable::number(const Owner& owner) {
    const auto [at, is_new] = numbers_.try_emplace(owner, static_cast<std::uint32_t>(owners_.size()));
    if (is_new) owners_.push_back(owner);
    return at->second;
}

PageMap map_of(const Buddy<OwnedCpus>& buddy, const Arena& arena, OwnerTable& table,
               const OwnerOf& owner_of) {
    PageMap map;
    for_each_block(arena, [&](FrameIndex head, PageState state, std::uint64_t pages) {
        const std::uint32_t owner = table.number(owner_of_block(head, state, owner_of));
        const auto size = static_cast<std::uint32_t>(pages);
        if (map.runs.empty() || map.runs.back().owner != owner || map.runs.back().pages != size)
            map.runs.push_back({owner, size, 0});
        ++map.runs.back().blocks;
    });
    map.pageblocks = pageblocks_of(buddy, arena);
    return map;
}

}  // namespace kmemlab::inspect

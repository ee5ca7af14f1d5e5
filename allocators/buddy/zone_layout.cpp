#include "allocators/buddy/zone_layout.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "allocators/base/check.hpp"

namespace kmemlab {
namespace {

constexpr std::array<std::string_view, max_zones> zone_names{"DMA", "DMA32", "Normal", "HighMem", "Movable"};
constexpr std::string_view accepted_layouts = "x86-64, single, or NAME:PAGES,...,NAME in ascending order";
constexpr std::string_view accepted_ratios = "DMA/DMA32/NORMAL, e.g. 256/256/32";
constexpr Pfn dma_end{std::uint64_t{16} << (20 - page_shift)};
constexpr Pfn dma32_end{std::uint64_t{4} << (30 - page_shift)};

bool parse_number(std::string_view text, std::uint64_t& value) {
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && rest == text.data() + text.size();
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(separator, begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

std::optional<ZoneType> zone_type(std::string_view name) {
    const auto same = [&](std::string_view known) {
        return std::equal(known.begin(), known.end(), name.begin(), name.end(), [](char a, char b) {
            const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
            return lower(a) == lower(b);
        });
    };
    const auto* found = std::find_if(zone_names.begin(), zone_names.end(), same);
    if (found == zone_names.end()) return {};
    return static_cast<ZoneType>(found - zone_names.begin());
}

ZoneSpec zone(ZoneType type, Pfn start, Pfn end) {
    const FrameRange span{start, std::max(start, end)};
    return {type, span, span.frames() == 0 ? std::vector<FrameRange>{} : std::vector{span}, 0};
}

/// The part of the arena between two frame numbers.
ZoneSpec zone_between(ZoneType type, const Arena& arena, Pfn low, Pfn high) {
    return zone(type, std::clamp(low, arena.start(), arena.end()),
                std::clamp(high, arena.start(), arena.end()));
}

struct ZoneSize {
    ZoneType type;
    std::uint64_t pages;
};
constexpr std::uint64_t all_the_rest = ~std::uint64_t{0};

/// "NAME:PAGES,...,NAME" in ascending order; nothing for another text.
std::optional<std::vector<ZoneSize>> parse_custom_layout(std::string_view text) {
    std::vector<ZoneSize> zones;
    const auto parts = split(text, ',');
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto fields = split(parts[i], ':');
        const auto type = zone_type(fields[0]);
        const bool last = i + 1 == parts.size();
        std::uint64_t pages = all_the_rest;
        if (!type || (!zones.empty() && *type <= zones.back().type) || fields.size() > 2 ||
            (fields.size() == 1 && !last) || (fields.size() == 2 && !parse_number(fields[1], pages))) {
            return {};
        }
        zones.push_back({*type, pages});
    }
    return zones;
}

std::vector<ZoneSpec> custom_layout(std::string_view text, const Arena& arena) {
    const auto sizes = parse_custom_layout(text);
    if (!sizes) throw UsageError::of("zone.layout={}: expected {}", text, accepted_layouts);
    std::vector<ZoneSpec> zones;
    Pfn start = arena.start();
    for (const ZoneSize& size : *sizes) {
        const std::uint64_t rest = arena.end() - start;
        const std::uint64_t pages = size.pages == all_the_rest ? rest : size.pages;
        if (pages > rest) {
            throw UsageError::of("zone.layout={}: the zones hold more than the arena's {} pages", text,
                                 arena.frames());
        }
        zones.push_back(zone(size.type, start, start + pages));
        start += pages;
    }
    return zones;
}

/// Missing ones are 0; nothing for a text of another form.
std::optional<std::array<std::uint64_t, max_zones>> parse_ratios(std::string_view text) {
    std::array<std::uint64_t, max_zones> ratios{};
    const auto parts = split(text, '/');
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i >= ratios.size() || !parse_number(parts[i], ratios[i])) return {};
    }
    return ratios;
}

/// A tunable that is a text of which `valid` is true.
Tunable text_tunable(Literal key, Literal help, std::string_view accepted, std::string& variable,
                     bool (*valid)(std::string_view)) {
    auto set = [&variable, valid](std::string_view text) {
        if (!valid(text)) return false;
        variable = std::string{text};
        return true;
    };
    return {key, help, std::string{accepted}, set, [&variable] { return variable; }};
}

bool valid_layout(std::string_view text) {
    return text == "x86-64" || text == "single" || parse_custom_layout(text).has_value();
}
bool valid_ratios(std::string_view text) {
    return parse_ratios(text).has_value();
}

}  // namespace

std::string_view to_string(ZoneType type) {
    return zone_names[static_cast<std::size_t>(type)];
}

std::vector<Tunable> BuddyConfig::tunables() {
    constexpr std::uint64_t many = std::uint64_t{1} << 32;
    return {
        text_tunable("zone.layout", "which zones there are", accepted_layouts, layout, valid_layout),
        text_tunable("zone.lowmem_reserve_ratio",
                     "pages above for each page kept from requests that could go higher", accepted_ratios,
                     lowmem_reserve_ratio, valid_ratios),
        integer_tunable("zone.pageblock_order", "order of the blocks that have a migrate type",
                        pageblock_order, 1, max_order.value()),
        integer_tunable("zone.min_free_kbytes", "kilobytes kept free for urgent requests; 0: computed",
                        min_free_kbytes, 0, many),
        integer_tunable("zone.watermark_scale_factor", "distance of the watermarks, in 1/10000 of the zone",
                        watermark_scale_factor, 1, 3000),
        integer_tunable("zone.watermark_boost_factor",
                        "highest boost after a mixed pageblock, in 1/10000 of the high mark; 0: none",
                        watermark_boost_factor, 0, many),
        integer_tunable("pcp.batch", "pages moved at once to or from a per-CPU list; 0: computed", pcp_batch,
                        0, 1 << 16),
        integer_tunable("pcp.high", "pages that a CPU's lists of a zone may hold; 0: computed", pcp_high, 0,
                        1 << 24),
        switch_tunable("pcp.enabled", "per-CPU page lists", pcp),
    };
}

std::vector<ZoneSpec> zone_layout(const BuddyConfig& config, const Arena& arena) {
    if (config.layout == "x86-64") {
        return {zone_between(ZoneType::dma, arena, Pfn{0}, dma_end),
                zone_between(ZoneType::dma32, arena, dma_end, dma32_end),
                zone_between(ZoneType::normal, arena, dma32_end, arena.end()),
                zone(ZoneType::movable, arena.end(), arena.end())};
    }
    if (config.layout == "single") return {zone(ZoneType::normal, arena.start(), arena.end())};
    return custom_layout(config.layout, arena);
}

std::array<std::uint64_t, max_zones> reserve_ratios(std::string_view text) {
    const auto ratios = parse_ratios(text);
    if (!ratios) throw UsageError::of("zone.lowmem_reserve_ratio={}: expected {}", text, accepted_ratios);
    return *ratios;
}

}  // namespace kmemlab

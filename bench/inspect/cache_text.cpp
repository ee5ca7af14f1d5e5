// Pictures of caches as text.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "bench/inspect/cache_picture.hpp"
#include "bench/inspect/words.hpp"

namespace kmemlab::inspect {
namespace {

constexpr std::size_t widest = 64;  ///< characters of a slab or an array

/// One character for several objects: what they are if they are alike, + if some are in use, else o or a
/// point.
char condensed(std::string_view objects) {
    const auto has = [&](char mark) { return objects.find(mark) != std::string_view::npos; };
    if (objects.find_first_not_of(objects.front()) == std::string_view::npos) return objects.front();
    if (has(in_use)) return '+';
    if (has(another)) return another;
    return has(kept) ? kept : is_free;
}

/// How many objects of a slab one character stands for.
std::size_t group_of(const std::string& objects) {
    return std::max<std::size_t>(1, (objects.size() + widest - 1) / widest);
}

std::string drawn(const std::string& objects) {
    const std::size_t group = group_of(objects);
    std::string text;
    for (std::size_t i = 0; i < objects.size(); i += group)
        text += condensed(std::string_view{objects}.substr(i, group));
    return text;
}

std::string drawn(const Fill& array) {
    const std::size_t width = std::min(array.room, widest);
    const std::size_t filled = width == 0 ? 0 : (array.count * width + array.room - 1) / array.room;
    return fmt::format("[{}{}]", std::string(filled, kept), std::string(width - filled, is_free));
}

std::string line_of(const SlabPicture& slab) {
    const auto used = std::count(slab.objects.begin(), slab.objects.end(), in_use);
    const std::string share = fmt::format("{}/{}", used, slab.objects.size());
    return fmt::format("pfn {:>7} {:>9}  {}", slab.pfn.value(), share, drawn(slab.objects));
}

/// "pfn 100, 104-107": what begins behind the end of the one before is joined to it.
std::string ranges_text(const std::vector<SlabPicture>& slabs) {
    constexpr std::size_t most = 10;
    struct Range {
        std::uint64_t first, end;
    };
    std::vector<Range> ranges;
    ranges.reserve(slabs.size());
    for (const SlabPicture& slab : slabs) ranges.push_back({slab.pfn.value(), slab.pfn.value() + slab.pages});
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
    std::vector<Range> joined;
    for (const Range& range : ranges) {
        if (!joined.empty() && joined.back().end == range.first)
            joined.back().end = range.end;
        else
            joined.push_back(range);
    }
    std::vector<std::string> texts;
    for (const Range& range : joined) {
        const bool one = range.end - range.first == 1;
        texts.push_back(one ? fmt::format("{}", range.first)
                            : fmt::format("{}-{}", range.first, range.end - 1));
        if (texts.size() == most && joined.size() > most) {
            texts.push_back(fmt::format("and {} more", counted(joined.size() - most, "range")));
            break;
        }
    }
    return fmt::format("pfn {}", fmt::join(texts, ", "));
}

bool all_are(const SlabPicture& slab, char mark) {
    return slab.objects.find_first_not_of(mark) == std::string::npos;
}

/// One line for all slabs that are `mark` throughout, if there are several; they are taken out.
std::string gathered(std::vector<SlabPicture>& slabs, char mark, std::string_view what) {
    constexpr std::ptrdiff_t several = 3;
    const auto begin = std::stable_partition(slabs.begin(), slabs.end(),
                                             [&](const SlabPicture& slab) { return !all_are(slab, mark); });
    if (slabs.end() - begin < several) return "";
    const std::vector<SlabPicture> alike{begin, slabs.end()};
    slabs.erase(begin, slabs.end());
    return fmt::format("{} {}: {}", alike.size(), what, ranges_text(alike));
}

/// What stands behind the name of a place, line by line.
std::vector<std::string> lines_of(const Place& place, std::size_t most_slabs) {
    std::vector<std::string> lines;
    if (!place.note.empty()) lines.push_back(place.note);
    if (place.array)
        lines.push_back(
            fmt::format("{} {} of {}", drawn(*place.array), place.array->count, place.array->room));
    std::vector<SlabPicture> slabs = place.slabs;
    const std::string full = gathered(slabs, in_use, "all in use");
    const std::string empty = gathered(slabs, is_free, "all free");
    for (std::size_t i = 0; i < slabs.size() && i < most_slabs; ++i) lines.push_back(line_of(slabs[i]));
    if (slabs.size() > most_slabs) lines.push_back(fmt::format("... and {} more", slabs.size() - most_slabs));
    if (!full.empty()) lines.push_back(full);
    if (!empty.empty()) lines.push_back(empty);
    if (lines.empty()) lines.emplace_back("none");
    return lines;
}

bool holds_nothing(const Place& place) {
    return place.slabs.empty() && (!place.array || place.array->count == 0);
}

/// The places of one CPU or of the node, from `begin` on.
std::string block_text(const Place* begin, const Place* end, std::size_t most_slabs) {
    std::string text;
    if (begin->whose != "node" && std::all_of(begin, end, holds_nothing))
        return fmt::format("{:<7} nothing\n", begin->whose);
    for (const Place* place = begin; place != end; ++place) {
        std::string whose = place == begin ? place->whose : "";
        std::string what = place->what;
        for (const std::string& line : lines_of(*place, most_slabs)) {
            text += fmt::format("{:<7} {:<8} {}\n", whose, what, line);
            whose.clear();
            what.clear();
        }
    }
    return text;
}

std::string legend_text(const CachePicture& picture, const Totals& sum) {
    std::string text;
    const auto line = [&](char mark, std::string_view what, std::uint64_t count) {
        text += fmt::format("{}  {:<32} {:>9}\n", mark, what, count);
    };
    line(in_use, "in use", sum.in_use);
    if (sum.kept != 0) line(kept, "free, kept for a CPU or the node", sum.kept);
    line(is_free, "free in its slab", sum.free);
    if (sum.another != 0) line(another, "of others in the same pages", sum.another);
    text += fmt::format("   {} {} in {} of {}\n", sum.objects(), picture.objects_text,
                        counted(sum.slabs, "slab"), counted(sum.pages, "page"));
    std::size_t group = 1;
    for (const Place& place : picture.places) {
        for (const SlabPicture& slab : place.slabs) group = std::max(group, group_of(slab.objects));
    }
    if (group > 1)
        text += fmt::format("   A character stands for up to {} {}, + for some in use.\n", group,
                            picture.objects_text);
    return text;
}

}  // namespace

Totals totals(const CachePicture& picture) {
    Totals sum;
    for (const Place& place : picture.places) {
        for (const SlabPicture& slab : place.slabs) {
            const auto count = [&](char mark) {
                return static_cast<std::uint64_t>(std::count(slab.objects.begin(), slab.objects.end(), mark));
            };
            ++sum.slabs;
            sum.pages += slab.pages;
            sum.in_use += count(in_use);
            sum.kept += count(kept);
            sum.free += count(is_free);
            sum.another += count(another);
        }
    }
    return sum;
}

std::string to_text(const CachePicture& picture, std::size_t most_slabs) {
    std::string text = fmt::format("{}: {}\n\n", picture.name, picture.slab_text);
    const Place* const end = picture.places.data() + picture.places.size();
    for (const Place* begin = picture.places.data(); begin != end;) {
        const Place* const next =
            std::find_if(begin, end, [&](const Place& place) { return place.whose != begin->whose; });
        text += block_text(begin, next, most_slabs);
        begin = next;
    }
    return text + "\n" + legend_text(picture, totals(picture));
}

std::string list_text(const std::vector<CachePicture>& pictures) {
    struct Row {
        const CachePicture* cache;
        Totals sum;
    };
    std::vector<Row> rows;
    std::vector<std::string_view> without;
    for (const CachePicture& cache : pictures) {
        const Totals sum = totals(cache);
        if (sum.slabs == 0)
            without.push_back(cache.name);
        else
            rows.push_back({&cache, sum});
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [](const Row& a, const Row& b) { return a.sum.pages > b.sum.pages; });
    std::string text = fmt::format("{:<24} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9}\n", "cache", "bytes", "slabs",
                                   "pages", "in use", "kept", "free");
    for (const auto& [cache, sum] : rows) {
        text += fmt::format("{:<24} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9}\n", cache->name,
                            cache->size == 0 ? "any" : fmt::format("{}", cache->size), sum.slabs, sum.pages,
                            sum.in_use, sum.kept, sum.free);
    }
    if (!pictures.empty() && pictures.front().objects_text != "objects")
        text +=
            fmt::format("Counts are {}; a page may stand in several rows.\n", pictures.front().objects_text);
    if (!without.empty()) text += fmt::format("without a slab: {}\n", fmt::join(without, ", "));
    return text;
}

}  // namespace kmemlab::inspect

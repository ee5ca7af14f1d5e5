#include "allocators/vmalloc/congruent_fit.hpp"

#include <algorithm>

namespace kmemlab {
namespace {

/// The highest area that begins at or below `address`; nullptr: none.
const VmapArea* last_from(const AreaTree& tree, std::uint64_t address) {
    const VmapArea* found = nullptr;
    for (const VmapArea* area = tree.root(); area != nullptr;) {
        if (area->start <= address) found = area;
        area = area->start <= address ? area->right : area->left;
    }
    return found;
}

/// The highest address at or below `most` from which `size` bytes are free.
std::optional<std::uint64_t> highest_start(const AreaTree& free, std::uint64_t size, std::uint64_t most) {
    for (const VmapArea* area = last_from(free, most); area != nullptr; area = AreaTree::previous(area)) {
        if (area->size() >= size) return std::min(most, area->end - size);
    }
    return {};
}

}  // namespace

std::optional<std::uint64_t> find_congruent(const AreaTree& free, std::span<const AreaPart> parts,
                                            std::uint64_t align, AddressRange window) {
    std::uint64_t end = 0;
    for (const AreaPart& part : parts) end = std::max(end, part.end());
    const auto aligned = [align](std::uint64_t address) { return address & ~(align - 1); };
    const std::uint64_t first = window.begin.value();
    if (parts.empty() || end > window.end.value() - first) return {};
    std::uint64_t base = aligned(window.end.value() - end);
    // `agreed`: parts in a row that are free at this base.
    for (std::size_t i = 0, agreed = 0; agreed < parts.size(); i = (i + 1) % parts.size()) {
        const AreaPart& part = parts[i];
        if (base < first) return {};
        const auto start = highest_start(free, part.size, base + part.offset);
        if (!start || *start < first + part.offset) return {};
        const std::uint64_t lower = aligned(*start - part.offset);
        agreed = lower == base ? agreed + 1 : 0;
        base = lower;
    }
    return base < first ? std::nullopt : std::optional{base};
}

std::optional<std::uint64_t> try_congruent(const AreaTree& free, std::span<const AreaPart> parts,
                                           std::uint64_t align, AddressRange window) {
    std::optional<std::uint64_t> highest;
    const auto fits = [&](std::uint64_t base) {
        return base >= window.begin.value() &&
               std::all_of(parts.begin(), parts.end(), [&](const AreaPart& part) {
                   const VmapArea* const area = free.find(base + part.offset);
                   if (area == nullptr) return false;
                   const std::uint64_t end = std::min(area->end, window.end.value());
                   return base < end && end - base >= part.end();  // a sum could wrap
               });
    };
    for (const VmapArea* area = free.first(); area != nullptr; area = AreaTree::next(area)) {
        for (const AreaPart& part : parts) {
            const std::uint64_t end = std::min(area->end, window.end.value());
            const std::uint64_t base = end < part.end() ? 0 : (end - part.end()) & ~(align - 1);
            if (base > highest.value_or(0) && fits(base)) highest = base;
        }
    }
    return highest;
}

}  // namespace kmemlab

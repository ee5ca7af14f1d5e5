#include "allocators/slob/ledger.hpp"

#include <fmt/format.h>

#include <iterator>

namespace kmemlab {

bool Ledger::covers(std::size_t offset) const {
    const auto after = entries_.upper_bound(offset);
    if (after == entries_.begin()) return false;
    const auto& [begin, entry] = *std::prev(after);
    return offset < begin + entry.taken;
}

std::string Ledger::list_of(const SlobCache& cache) const {
    std::string text;
    for (const auto& [begin, entry] : entries_) {
        if (entry.cache == &cache) fmt::format_to(std::back_inserter(text), "Object @offset={}\n", begin);
    }
    return text;
}

}  // namespace kmemlab

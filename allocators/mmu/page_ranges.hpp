/// A set of pages, kept as disjoint ranges that do not touch. The caller holds whatever lock guards it.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>

namespace kmemlab {

class PageRanges {
  public:
    /// Adds pages [begin, end).
    void insert(std::uint64_t begin, std::uint64_t end) {
        if (begin >= end) return;
        auto next = ranges_.upper_bound(begin);
        if (next != ranges_.begin() && std::prev(next)->second >= begin) --next;
        while (next != ranges_.end() && next->first <= end) {
            begin = begin < next->first ? begin : next->first;
            end = end > next->second ? end : next->second;
            next = ranges_.erase(next);
        }
        ranges_.emplace_hint(next, begin, end);
    }
    /// Takes pages [begin, end) out.
    void erase(std::uint64_t begin, std::uint64_t end) {
        auto next = ranges_.upper_bound(begin);
        if (next != ranges_.begin() && std::prev(next)->second > begin) --next;
        while (next != ranges_.end() && next->first < end) {
            const auto [first, last] = *next;
            next = ranges_.erase(next);
            if (first < begin) ranges_.emplace_hint(next, first, begin);
            if (last > end) ranges_.emplace_hint(next, end, last);
        }
    }
    void clear() { ranges_.clear(); }

    [[nodiscard]] bool contains(std::uint64_t page) const {
        const auto after = ranges_.upper_bound(page);
        return after != ranges_.begin() && std::prev(after)->second > page;
    }
    [[nodiscard]] std::size_t count() const { return ranges_.size(); }

  private:
    std::map<std::uint64_t, std::uint64_t> ranges_;  ///< begin -> end
};

}  // namespace kmemlab

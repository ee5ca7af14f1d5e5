/// Pages of an address space, and the frame that each is mapped to: what a page table should say, kept as
/// runs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>

#include "allocators/base/units.hpp"

namespace kmemlab::oracle {

/// Frames `step` apart from `first` on, over and over again the same `among`.
struct Frames {
    Pfn first;
    std::uint64_t begin = 0;  ///< the number of the first of them
    std::uint64_t step = 1;
    std::uint64_t among = ~std::uint64_t{0};
    [[nodiscard]] Pfn at(std::uint64_t i) const { return first + (begin + i) * step % among; }
};

class PageRuns {
  public:
    /// Nothing may be there yet.
    void insert(std::uint64_t page, std::uint64_t pages, const Frames& frames) {
        runs_.emplace(page, Run{page + pages, frames});
    }
    /// Whatever is there of [begin, end).
    void erase(std::uint64_t begin, std::uint64_t end) {
        split(begin);
        split(end);
        runs_.erase(runs_.lower_bound(begin), runs_.lower_bound(end));
    }
    /// Moves here what another has of [begin, end).
    void take_from(PageRuns& other, std::uint64_t begin, std::uint64_t end) {
        other.split(begin);
        other.split(end);
        while (true) {
            const auto run = other.runs_.lower_bound(begin);
            if (run == other.runs_.end() || run->first >= end) return;
            runs_.insert(other.runs_.extract(run));
        }
    }
    void clear() { runs_.clear(); }
    [[nodiscard]] std::optional<Pfn> frame_of(std::uint64_t page) const {
        const auto run = around(page);
        if (run == runs_.end() || run->first > page) return {};
        return run->second.frames.at(page - run->first);
    }
    /// The first page from `page` on that is in a run; the highest number: none.
    [[nodiscard]] std::uint64_t next(std::uint64_t page) const {
        const auto run = around(page);
        return run == runs_.end() ? ~std::uint64_t{0} : std::max(run->first, page);
    }

  private:
    struct Run {
        std::uint64_t end;
        Frames frames;
    };
    using Runs = std::map<std::uint64_t, Run>;

    /// The first run that ends behind a page.
    [[nodiscard]] Runs::const_iterator around(std::uint64_t page) const {
        const auto after = runs_.upper_bound(page);
        if (after == runs_.begin() || std::prev(after)->second.end <= page) return after;
        return std::prev(after);
    }
    /// No run goes across the begin of `page`.
    void split(std::uint64_t page) {
        const auto run = runs_.lower_bound(page);
        if (run == runs_.begin()) return;
        const auto before = std::prev(run);
        if (before->second.end <= page) return;
        Frames rest = before->second.frames;
        rest.begin += page - before->first;
        runs_.emplace(page, Run{before->second.end, rest});
        before->second.end = page;
    }

    Runs runs_;
};

}  // namespace kmemlab::oracle

/// Ranges of an arena's memory that do not overlap: a bit for each 8 bytes, to which what callers have is
/// aligned.
///
///     frame   | 512 bits | 512 bits | ...      an object of 64 bytes is 8 of them, looked at in one step
///
/// Cheaper than Ranges, which takes any addresses.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "allocators/machine/arena.hpp"

namespace kmemlab::oracle {

class LiveBits {
  public:
    explicit LiveBits(const Arena& arena) : arena_{arena}, words_{std::exchange(shelf(), {})} {
        words_.resize(std::max(words_.size(), arena.bytes() / word_bytes));
    }
    ~LiveBits() {
        for (std::size_t i = lowest_; i < end_; ++i) words_[i] = 0;
        shelf() = std::move(words_);
    }
    LiveBits(const LiveBits&) = delete;
    LiveBits& operator=(const LiveBits&) = delete;

    /// False, and nothing changes, if it overlaps another one or leaves the arena.
    [[nodiscard]] bool insert(const void* begin, std::size_t size) {
        bool free = arena_.contains(begin) && size <= arena_.bytes() - arena_.offset_of(begin);
        if (!free) return false;
        for_each_word(begin, size,
                      [&](std::uint64_t& word, std::uint64_t mask) { free = free && (word & mask) == 0; });
        if (!free) return false;
        for_each_word(begin, size, [](std::uint64_t& word, std::uint64_t mask) { word |= mask; });
        return true;
    }
    void erase(const void* begin, std::size_t size) {
        for_each_word(begin, size, [](std::uint64_t& word, std::uint64_t mask) { word &= ~mask; });
    }

  private:
    static constexpr std::size_t granule = 8;
    static constexpr std::size_t word_bytes = 64 * granule;

    template <class Visit>
    void for_each_word(const void* begin, std::size_t size, Visit&& visit) {
        const std::size_t first = arena_.offset_of(begin) / granule;
        const std::size_t last = (arena_.offset_of(begin) + size - 1) / granule;
        lowest_ = std::min(lowest_, first / 64);
        end_ = std::max(end_, last / 64 + 1);
        for (std::size_t i = first / 64; i <= last / 64; ++i) {
            std::uint64_t mask = ~std::uint64_t{0};
            if (i == first / 64) mask &= mask << first % 64;
            if (i == last / 64) mask &= ~std::uint64_t{0} >> (63 - last % 64);
            visit(words_[i], mask);
        }
    }
    /// What the last one of this thread had, all zero: to clear as much as was used is cheaper than to clear
    /// all.
    static std::vector<std::uint64_t>& shelf() {
        thread_local std::vector<std::uint64_t> words;
        return words;
    }

    const Arena& arena_;
    std::vector<std::uint64_t> words_;
    std::size_t lowest_ = ~std::size_t{0};
    std::size_t end_ = 0;
};

}  // namespace kmemlab::oracle

/// What a caller writes into its memory and expects to find there again (G3, G4), and ranges of live memory
/// (G1).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <memory_resource>

namespace kmemlab::oracle {

/// Up to this size all of a block is written; of larger ones some words of each page, of huge ones the ends.
inline constexpr std::size_t written_whole = std::size_t{64} << 10;
inline constexpr std::size_t written_by_page = std::size_t{16} << 20;

/// Calls visit(offset, length) for the pieces of a block that are written; length is at most 8.
template <class Visit>
void for_each_piece(std::size_t size, Visit&& visit) {
    constexpr std::size_t word = sizeof(std::uint64_t);
    const auto range = [&](std::size_t begin, std::size_t end, std::size_t step) {
        for (std::size_t at = begin; at < end; at += step) visit(at, std::min(word, end - at));
    };
    if (size <= written_whole) return range(0, size, word);
    range(0, 4096, word);
    if (size <= written_by_page) range(4096, size - 4096, 520);
    range(size - 4096, size, word);
}

[[nodiscard]] constexpr std::uint64_t pattern_word(std::uint64_t seed, std::size_t offset) {
    return (seed + offset + 1) * 0xbf58476d1ce4e5b9;
}

inline void write_pattern(void* block, std::size_t size, std::uint64_t seed) {
    for_each_piece(size, [&](std::size_t at, std::size_t length) {
        const std::uint64_t word = pattern_word(seed, at);
        std::memcpy(static_cast<std::byte*>(block) + at, &word, length);
    });
}

[[nodiscard]] inline bool has_pattern(const void* block, std::size_t size, std::uint64_t seed) {
    bool same = true;
    for_each_piece(size, [&](std::size_t at, std::size_t length) {
        const std::uint64_t word = pattern_word(seed, at);
        same = same && std::memcmp(static_cast<const std::byte*>(block) + at, &word, length) == 0;
    });
    return same;
}

[[nodiscard]] inline bool is_zero(const void* block, std::size_t size) {
    const auto* const bytes = static_cast<const std::byte*>(block);
    return size == 0 || (bytes[0] == std::byte{} && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

/// Ranges of addresses that do not overlap.
class Ranges {
  public:
    /// False, and nothing changes, if it overlaps another one.
    [[nodiscard]] bool insert(const void* begin, std::size_t size) {
        return insert(reinterpret_cast<std::uintptr_t>(begin), size);
    }
    [[nodiscard]] bool insert(std::uintptr_t from, std::size_t size) {
        const std::uintptr_t to = from + size;
        const auto after = ends_.lower_bound(from);
        if (after != ends_.end() && after->first < to) return false;
        if (after != ends_.begin() && std::prev(after)->second > from) return false;
        ends_[from] = to;
        return true;
    }
    void erase(const void* begin, std::size_t) { erase(begin); }
    void erase(const void* begin) { erase(reinterpret_cast<std::uintptr_t>(begin)); }
    void erase(std::uintptr_t begin) { ends_.erase(begin); }
    [[nodiscard]] bool covers(std::uintptr_t address) const {
        const auto after = ends_.upper_bound(address);
        return after != ends_.begin() && std::prev(after)->second > address;
    }

  private:
    std::pmr::unsynchronized_pool_resource memory_;
    std::pmr::map<std::uintptr_t, std::uintptr_t> ends_{&memory_};  ///< by their begins
};

}  // namespace kmemlab::oracle

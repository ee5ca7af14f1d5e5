/// Two hash tables that reading a trace lives on: addresses of live things, and names seen so far. Both are
/// open addressing with linear probing over a power of two, at most half full; they grow by doubling.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kmemlab::trace {

/// Address (or pfn) -> 32-bit number, with removal. Any key but `absent_key`, which no kernel prints as
/// the address of an object.
class AddressMap {
  public:
    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::uint64_t absent_key = std::numeric_limits<std::uint64_t>::max();

    AddressMap() : entries_(first_size, Entry{absent_key, none}) {}

    /// Sets key -> value; returns what the key had before, or none.
    std::uint32_t put(std::uint64_t key, std::uint32_t value) {
        Entry* entry = find(key);
        if (entry->key == key) return std::exchange(entry->value, value);
        *entry = {key, value};
        if (++size_ * 2 > entries_.size()) grow();
        return none;
    }

    /// Removes the key and returns its value, or none.
    std::uint32_t take(std::uint64_t key) {
        Entry* entry = find(key);
        if (entry->key != key) return none;
        const std::uint32_t value = entry->value;
        close_gap(static_cast<std::size_t>(entry - entries_.data()));
        --size_;
        return value;
    }

    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    struct Entry {
        std::uint64_t key;
        std::uint32_t value;
    };
    static constexpr std::size_t first_size = 1024;

    [[nodiscard]] std::size_t mask() const { return entries_.size() - 1; }
    [[nodiscard]] std::size_t home(std::uint64_t key) const {
        // Fibonacci hashing: the high bits of the product depend on all bits of the key.
        constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;
        return static_cast<std::size_t>((key * golden) >> shift_);
    }
    [[nodiscard]] Entry* find(std::uint64_t key) {
        std::size_t at = home(key);
        while (entries_[at].key != key && entries_[at].key != absent_key) at = (at + 1) & mask();
        return &entries_[at];
    }
    /// Moves later entries of the run back, so that no search stops too early and no tombstone is needed.
    void close_gap(std::size_t gap) {
        for (std::size_t at = (gap + 1) & mask(); entries_[at].key != absent_key; at = (at + 1) & mask()) {
            const std::size_t distance_from_home = (at - home(entries_[at].key)) & mask();
            if (distance_from_home < ((at - gap) & mask())) continue;
            entries_[gap] = entries_[at];
            gap = at;
        }
        entries_[gap] = {absent_key, none};
    }
    void grow() {
        std::vector<Entry> old(entries_.size() * 2, Entry{absent_key, none});
        old.swap(entries_);
        --shift_;
        for (const Entry& entry : old)
            if (entry.key != absent_key) *find(entry.key) = entry;
    }

    std::vector<Entry> entries_;
    std::size_t size_ = 0;
    unsigned shift_ = 64 - std::countr_zero(first_size);
};

/// Text -> its number, counted from 0 in order of appearance. Never forgets.
class NameTable {
  public:
    NameTable() : entries_(first_size) {}

    static constexpr std::uint32_t no_limit = std::numeric_limits<std::uint32_t>::max();

    /// The number of `name`; a new one if it was not seen before (then size() has grown). The number `last`
    /// is named "(others)" and stands for all names that come when the numbers below it are used up.
    std::uint32_t number_of(std::string_view name, std::uint32_t last = no_limit) {
        const std::uint64_t hash = XXH3_64bits(name.data(), name.size());
        Entry* entry = find(hash, name);
        if (entry->number_plus_1 != 0) return entry->number_plus_1 - 1;
        if (names_.size() > last) return last;
        names_.emplace_back(names_.size() == last ? "(others)" : name);
        if (names_.size() > last) return last;
        const auto number = static_cast<std::uint32_t>(names_.size() - 1);
        *entry = {hash, number + 1};
        if (names_.size() * 2 > entries_.size()) grow();
        return number;
    }

    [[nodiscard]] std::size_t size() const { return names_.size(); }
    [[nodiscard]] std::vector<std::string> release() { return std::move(names_); }

  private:
    struct Entry {
        std::uint64_t hash = 0;
        std::uint32_t number_plus_1 = 0;
    };
    static constexpr std::size_t first_size = 1024;

    [[nodiscard]] Entry* find(std::uint64_t hash, std::string_view name) {
        std::size_t at = hash & (entries_.size() - 1);
        while (entries_[at].number_plus_1 != 0 &&
               (entries_[at].hash != hash || names_[entries_[at].number_plus_1 - 1] != name))
            at = (at + 1) & (entries_.size() - 1);
        return &entries_[at];
    }
    void grow() {
        std::vector<Entry> old(entries_.size() * 2);
        old.swap(entries_);
        for (const Entry& entry : old) {
            if (entry.number_plus_1 == 0) continue;
            std::size_t at = entry.hash & (entries_.size() - 1);
            while (entries_[at].number_plus_1 != 0) at = (at + 1) & (entries_.size() - 1);
            entries_[at] = entry;
        }
    }

    std::vector<Entry> entries_;
    std::vector<std::string> names_;
};

}  // namespace kmemlab::trace

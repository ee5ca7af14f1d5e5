/// One translation cache: sets and ways, as CacheGeometry describes it. TLBs and paging-structure caches are
/// made of these.
///
///     entries_   | set 0: way 0, 1, ... | set 1: ...        an entry knows its key: kind and page number
///     index_     key -> entry, a hash table for us, which no CPU has: a lookup costs the same in any
///     geometry
///
/// An entry goes into the set that the low bits of its page number name. An empty way is taken first, the
/// lowest; then the set's least recently used one, or the one that the tree of a pseudo-LRU points at: each
/// node of the tree remembers which half was used longer ago.
///
/// An entry remembers what it was filled from, so that a stale one is seen without a walk (V7).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "allocators/mmu/tlb_geometry.hpp"

namespace kmemlab {

/// Where a translation was read, and what stood there.
struct Translation {
    const Pte* from = nullptr;
    Pte entry;

    [[nodiscard]] bool is_stale() const { return *from != entry; }
};

class TranslationCache {
  public:
    explicit TranslationCache(const CacheGeometry& geometry);

    [[nodiscard]] bool holds(Cached kind) const { return holds_[static_cast<std::size_t>(kind)]; }
    /// The entry for an address, which is used by this; nullptr: none.
    [[nodiscard]] const Translation* find(Cached kind, VirtAddr at) {
        if (counts_[static_cast<std::size_t>(kind)] == 0) return nullptr;
        const Position position = index_[slot_of(key_of(kind, at))];
        if (position == nowhere) return nullptr;
        note_use(position);
        return &entries_[position].translation;
    }
    /// Takes a way for it. It must not be there.
    void insert(Cached kind, VirtAddr at, Translation translation);
    void drop(Cached kind, VirtAddr at);
    void clear();

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t metadata_bytes() const;

    /// Calls visit(kind, first address, translation) for each entry.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (const Entry& entry : entries_) {
            if (entry.key == no_key) continue;
            const auto kind = static_cast<Cached>(entry.key % cached_kinds);
            visit(kind, VirtAddr::of_page(entry.key / cached_kinds << order_of_level(level_of(kind)).value()),
                  entry.translation);
        }
    }

  private:
    using Position = std::uint16_t;
    static constexpr Position nowhere = 0xffff;
    static constexpr std::uint64_t no_key = 0;

    struct Entry {
        std::uint64_t key = no_key;
        Translation translation;
        Position set = 0;
        Position newer = nowhere;  ///< of the same set, for lru
        Position older = nowhere;
    };
    struct Set {
        std::uint64_t tree = 0;  ///< for tree_plru: bit n set: the right half below node n is older
        Position used = 0;
        Position newest = nowhere;
        Position oldest = nowhere;
    };

    [[nodiscard]] static std::uint64_t key_of(Cached kind, VirtAddr at) {
        const std::uint64_t page = at.page() >> order_of_level(level_of(kind)).value();
        return page * cached_kinds + static_cast<std::uint64_t>(kind);
    }
    [[nodiscard]] std::size_t hash(std::uint64_t key) const {
        return key * 0x9e3779b97f4a7c15U >> hash_shift_;  // multiplicative: Knuth, volume 3, 6.4
    }
    /// Where in index_ a key is, or where it would go.
    [[nodiscard]] std::size_t slot_of(std::uint64_t key) const {
        std::size_t slot = hash(key);
        while (index_[slot] != nowhere && entries_[index_[slot]].key != key) {
            slot = (slot + 1) & (index_.size() - 1);
        }
        return slot;
    }
    void note_use(Position position) {
        Set& set = sets_[entries_[position].set];
        if (replacement_ == Replacement::tree_plru) {
            point_tree_away(set, position);
        } else if (set.newest != position) {
            move_to_front(set, position);
        }
    }
    void forget(std::size_t slot);
    void evict(Position position);
    [[nodiscard]] Position choose_way(std::size_t set) const;
    [[nodiscard]] Position tree_victim(std::size_t set) const;
    void move_to_front(Set& set, Position position);
    void point_tree_away(Set& set, Position position) const;

    std::size_t ways_;
    Replacement replacement_;
    std::array<bool, cached_kinds> holds_{};
    std::array<std::uint32_t, cached_kinds>
        counts_{};  ///< entries of each kind: an absent one is not looked for
    std::vector<Entry> entries_;
    std::vector<Set> sets_;
    std::vector<Position> index_;
    unsigned hash_shift_;
    std::size_t size_ = 0;
};

}  // namespace kmemlab

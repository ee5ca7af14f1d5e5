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
    [[nodiscard]] const Translation* find(Cached kind, VirtAddr at);
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
        Position newer = nowhere;  ///< of the same set, for lru
        Position older = nowhere;
    };
    struct Set {
        unsigned used = 0;
        Position newest = nowhere;
        Position oldest = nowhere;
        std::uint64_t tree = 0;  ///< for tree_plru: bit n set: the right half below node n is older
    };

    [[nodiscard]] static std::uint64_t key_of(Cached kind, VirtAddr at) {
        const std::uint64_t page = at.page() >> order_of_level(level_of(kind)).value();
        return page * cached_kinds + static_cast<std::uint64_t>(kind);
    }
    [[nodiscard]] Set& set_of(Position position) { return sets_[position / ways_]; }
    [[nodiscard]] std::size_t hash(std::uint64_t key) const;
    /// Where in index_ a key is, or where it would go.
    [[nodiscard]] std::size_t slot_of(std::uint64_t key) const;
    void forget(std::size_t slot);
    void evict(Position position, std::size_t slot);
    [[nodiscard]] Position choose_way(unsigned set) const;
    [[nodiscard]] Position tree_victim(unsigned set) const;
    void note_use(Position position);
    void move_to_front(Position position);
    void point_tree_away(Position position);

    unsigned ways_;
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

#include "allocators/mmu/translation_cache.hpp"

#include <algorithm>
#include <bit>

namespace kmemlab {

TranslationCache::TranslationCache(const CacheGeometry& geometry)
    : ways_{geometry.ways},
      replacement_{geometry.replacement},
      entries_(geometry.entries),
      sets_(geometry.sets()) {
    // Sparse, so that a lookup seldom meets another key: mispredicted branches are what it costs.
    const auto index_bits = static_cast<unsigned>(std::bit_width(geometry.entries * 16U - 1));
    index_.resize(std::size_t{1} << index_bits);
    hash_shift_ = 64 - index_bits;
    for (const Cached kind : geometry.kinds) holds_[static_cast<std::size_t>(kind)] = true;
    clear();
}

void TranslationCache::clear() {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        entries_[i] = Entry{};
        entries_[i].set = static_cast<Position>(i / ways_);
    }
    std::fill(sets_.begin(), sets_.end(), Set{});
    std::fill(index_.begin(), index_.end(), nowhere);
    counts_.fill(0);
    size_ = 0;
}

std::size_t TranslationCache::metadata_bytes() const {
    return entries_.size() * sizeof(Entry) + sets_.size() * sizeof(Set) + index_.size() * sizeof(Position);
}

void TranslationCache::insert(Cached kind, VirtAddr at, Translation translation) {
    const std::uint64_t key = key_of(kind, at);
    KMEMLAB_DEBUG_CHECK(index_[slot_of(key)] == nowhere);
    const std::size_t set = key / cached_kinds & (sets_.size() - 1);
    const Position position = choose_way(set);
    Entry& entry = entries_[position];
    if (entry.key != no_key) evict(position);
    entry.key = key;
    entry.translation = translation;
    index_[slot_of(key)] = position;
    ++counts_[static_cast<std::size_t>(kind)];
    ++sets_[set].used;
    ++size_;
    note_use(position);
}

void TranslationCache::drop(Cached kind, VirtAddr at) {
    if (counts_[static_cast<std::size_t>(kind)] == 0) return;
    const Position position = index_[slot_of(key_of(kind, at))];
    if (position != nowhere) evict(position);
}

void TranslationCache::evict(Position position) {
    Entry& entry = entries_[position];
    forget(slot_of(entry.key));
    --counts_[entry.key % cached_kinds];
    --sets_[entry.set].used;
    --size_;
    entry.key = no_key;
}

/// Empties a slot of the index and moves those behind it up that were pushed beyond their place.
void TranslationCache::forget(std::size_t slot) {
    const std::size_t mask = index_.size() - 1;
    for (std::size_t next = (slot + 1) & mask; index_[next] != nowhere; next = (next + 1) & mask) {
        const std::size_t home = hash(entries_[index_[next]].key);
        if (((next - home) & mask) < ((next - slot) & mask)) continue;
        index_[slot] = index_[next];
        slot = next;
    }
    index_[slot] = nowhere;
}

TranslationCache::Position TranslationCache::choose_way(std::size_t set) const {
    if (sets_[set].used < ways_) {
        auto way = static_cast<Position>(set * ways_);
        while (entries_[way].key != no_key) ++way;
        return way;
    }
    return replacement_ == Replacement::lru ? sets_[set].oldest : tree_victim(set);
}

void TranslationCache::move_to_front(Set& set, Position position) {
    Entry& entry = entries_[position];
    if (entry.newer != nowhere) entries_[entry.newer].older = entry.older;
    if (entry.older != nowhere) entries_[entry.older].newer = entry.newer;
    if (set.oldest == position) set.oldest = entry.newer;
    if (set.oldest == nowhere) set.oldest = position;
    if (set.newest != nowhere) entries_[set.newest].newer = position;
    entry.older = set.newest;
    entry.newer = nowhere;
    set.newest = position;
}

// Nodes of the tree are numbered from 1 on as in a heap: below n lie 2n and 2n + 1; the ways are the leaves.

void TranslationCache::point_tree_away(Set& set, Position position) const {
    for (std::size_t node = ways_ + (position & (ways_ - 1)); node > 1; node /= 2) {
        const std::uint64_t parent = std::uint64_t{1} << (node / 2);
        set.tree = node % 2 == 0 ? set.tree | parent : set.tree & ~parent;
    }
}

TranslationCache::Position TranslationCache::tree_victim(std::size_t set) const {
    std::size_t node = 1;
    while (node < ways_) node = 2 * node + (sets_[set].tree >> node & 1);
    return static_cast<Position>(set * ways_ + node - ways_);
}

}  // namespace kmemlab

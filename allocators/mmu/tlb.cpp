#include "allocators/mmu/tlb.hpp"

#include <algorithm>

namespace kmemlab {

TlbCounts& TlbCounts::operator+=(const TlbCounts& other) {
    l1_hits += other.l1_hits;
    l2_hits += other.l2_hits;
    walks += other.walks;
    walk_steps += other.walk_steps;
    faults += other.faults;
    stale_uses += other.stale_uses;
    flushed_pages += other.flushed_pages;
    full_flushes += other.full_flushes;
    return *this;
}

Tlb::Tlb(const TlbGeometry& geometry)
    : l1_{make(geometry.l1)}, l2_{make(geometry.l2)}, walk_{make(geometry.walk)} {}

Tlb::Caches Tlb::make(const std::vector<CacheGeometry>& level) {
    return {level.begin(), level.end()};
}

std::size_t Tlb::metadata_bytes() const {
    std::size_t bytes = sizeof(Tlb);
    for (const Caches* level : {&l1_, &l2_, &walk_}) {
        for (const TranslationCache& cache : *level) bytes += sizeof(cache) + cache.metadata_bytes();
    }
    return bytes;
}

TranslationCache* Tlb::cache_of(Caches& level, Cached kind) {
    for (TranslationCache& cache : level) {
        if (cache.holds(kind)) return &cache;
    }
    return nullptr;
}

const Translation* Tlb::find_page(Caches& level, VirtAddr at) {
    for (TranslationCache& cache : level) {
        for (const Cached kind : {Cached::page_4k, Cached::page_2m, Cached::page_1g}) {
            if (const Translation* found = cache.find(kind, at)) return found;
        }
    }
    return nullptr;
}

void Tlb::fill_page(Caches& level, VirtAddr at, Translation leaf) {
    for (unsigned l = leaf.entry.level(); l > 0; --l) {
        if (TranslationCache* cache = cache_of(level, cached_leaf(l))) {
            return cache->insert(cached_leaf(l), at, leaf);
        }
    }
}

std::optional<Translation> Tlb::translate(VirtAddr at, const PageTable& table) {
    std::optional<Translation> leaf;
    if (const Translation* found = find_page(l1_, at)) {
        ++counts_.l1_hits;
        leaf = *found;
    } else if (found = find_page(l2_, at); found != nullptr) {
        ++counts_.l2_hits;
        leaf = *found;
        fill_page(l1_, at, *leaf);
    } else {
        return walk(at, table);
    }
    if (leaf->is_stale()) ++counts_.stale_uses;
    return leaf;
}

Tlb::Start Tlb::start_of_walk(VirtAddr at, const PageTable& table) {
    for (unsigned level = 2; level <= table.levels(); ++level) {
        for (Caches* caches : {&walk_, &l2_}) {
            TranslationCache* cache = cache_of(*caches, cached_pointer(level));
            if (cache == nullptr) continue;
            if (const Translation* found = cache->find(cached_pointer(level), at)) {
                return {found->entry.table(), level - 1};
            }
        }
    }
    return {&table.root(), table.levels()};
}

std::optional<Translation> Tlb::walk(VirtAddr at, const PageTable& table) {
    ++counts_.walks;
    auto [here, level] = start_of_walk(at, table);
    for (;; --level) {
        const Pte& entry = here->at(at, level);
        ++counts_.walk_steps;
        if (!entry.present()) {
            ++counts_.faults;
            return {};
        }
        if (entry.is_leaf()) {
            const Translation leaf{&entry, entry};
            fill_page(l2_, at, leaf);
            fill_page(l1_, at, leaf);
            return leaf;
        }
        fill_pointer(at, level, {&entry, entry});
        here = entry.table();
    }
}

void Tlb::fill_pointer(VirtAddr at, unsigned level, Translation pointer) {
    for (Caches* caches : {&walk_, &l2_}) {
        if (TranslationCache* cache = cache_of(*caches, cached_pointer(level))) {
            cache->insert(cached_pointer(level), at, pointer);
        }
    }
}

void Tlb::drop(Caches& level, Cached kind, VirtAddr at) {
    if (TranslationCache* cache = cache_of(level, kind)) cache->drop(kind, at);
}

void Tlb::flush_pages(AddressRange range) {
    for (std::uint64_t page = range.begin.page(); page < range.begin.page() + range.pages(); ++page) {
        ++counts_.flushed_pages;
        for (unsigned kind = 1; kind < cached_kinds; ++kind) {
            drop(l1_, Cached{static_cast<std::uint8_t>(kind)}, VirtAddr::of_page(page));
            drop(l2_, Cached{static_cast<std::uint8_t>(kind)}, VirtAddr::of_page(page));
        }
    }
    for (TranslationCache& cache : walk_) {
        if (cache.size() != 0) cache.clear();
    }
}

void Tlb::flush_all() {
    ++counts_.full_flushes;
    for (Caches* level : {&l1_, &l2_, &walk_}) {
        for (TranslationCache& cache : *level) {
            if (cache.size() != 0) cache.clear();
        }
    }
}

}  // namespace kmemlab

#include "allocators/mmu/tlb.hpp"

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

Tlb::Level::Level(const std::vector<CacheGeometry>& geometry) : caches{geometry.begin(), geometry.end()} {
    number_.fill(none);
    for (std::size_t i = 0; i < geometry.size(); ++i) {
        for (const Cached kind : geometry[i].kinds) {
            number_[static_cast<std::size_t>(kind)] = static_cast<std::uint8_t>(i);
        }
    }
}

const Translation* Tlb::Level::find_page(VirtAddr at) {
    for (const Cached kind : {Cached::page_4k, Cached::page_2m, Cached::page_1g}) {
        if (const Translation* found = find(kind, at)) return found;
    }
    return nullptr;
}

void Tlb::Level::fill_page(VirtAddr at, const Translation& leaf) {
    for (unsigned level = leaf.entry.level(); level > 0; --level) {
        if (TranslationCache* cache = cache_of(cached_leaf(level))) {
            return cache->insert(cached_leaf(level), at, leaf);
        }
    }
}

void Tlb::Level::drop(VirtAddr at) {
    for (std::uint8_t kind = 1; kind < cached_kinds; ++kind) {
        if (TranslationCache* cache = cache_of(Cached{kind})) cache->drop(Cached{kind}, at);
    }
}

void Tlb::Level::clear() {
    for (TranslationCache& cache : caches) {
        if (cache.size() != 0) cache.clear();
    }
}

Tlb::Tlb(const TlbGeometry& geometry) : l1_{geometry.l1}, l2_{geometry.l2}, walk_{geometry.walk} {}

std::size_t Tlb::metadata_bytes() const {
    std::size_t bytes = sizeof(Tlb);
    for (const Level* level : {&l1_, &l2_, &walk_}) {
        for (const TranslationCache& cache : level->caches) bytes += sizeof(cache) + cache.metadata_bytes();
    }
    return bytes;
}

std::optional<Translation> Tlb::translate(VirtAddr at, const PageTable& table) {
    const Translation* found = l1_.find_page(at);
    if (found != nullptr) {
        ++counts_.l1_hits;
    } else if (found = l2_.find_page(at); found != nullptr) {
        ++counts_.l2_hits;
        l1_.fill_page(at, *found);
    } else {
        return walk(at, table);
    }
    if (found->is_stale()) ++counts_.stale_uses;
    return *found;
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
        const Translation read{&entry, entry};
        if (entry.is_leaf()) {
            l2_.fill_page(at, read);
            l1_.fill_page(at, read);
            return read;
        }
        fill_pointer(at, level, read);
        here = entry.table();
    }
}

/// The deepest table that a cached pointer leads to, or the root.
Tlb::Start Tlb::start_of_walk(VirtAddr at, const PageTable& table) {
    for (unsigned level = 2; level <= table.levels(); ++level) {
        for (Level* caches : {&walk_, &l2_}) {
            if (const Translation* found = caches->find(cached_pointer(level), at)) {
                return {found->entry.table(), level - 1};
            }
        }
    }
    return {&table.root(), table.levels()};
}

void Tlb::fill_pointer(VirtAddr at, unsigned level, const Translation& pointer) {
    for (Level* caches : {&walk_, &l2_}) {
        if (TranslationCache* cache = caches->cache_of(cached_pointer(level))) {
            cache->insert(cached_pointer(level), at, pointer);
        }
    }
}

void Tlb::flush_pages(AddressRange range) {
    const std::uint64_t end = range.begin.page() + range.pages();
    for (std::uint64_t page = range.begin.page(); page < end; ++page) {
        ++counts_.flushed_pages;
        l1_.drop(VirtAddr::of_page(page));
        l2_.drop(VirtAddr::of_page(page));
    }
    walk_.clear();
}

void Tlb::flush_all() {
    ++counts_.full_flushes;
    for (Level* level : {&l1_, &l2_, &walk_}) level->clear();
}

}  // namespace kmemlab

/// Part of slob.cpp: frees, and what is found out about pointers that nobody may free.
#pragma once

#include <fmt/format.h>

#include <cstring>

#include "allocators/slob/slob.hpp"

namespace kmemlab {

template <class Cpus>
void Slob<Cpus>::kfree(void* object, CpuId cpu) {
    if (is_zero_or_null(object)) return;
    auto* const p = static_cast<std::byte*>(object);
    if (is_ours(object, PageKind::slab)) return free_kmalloc_object(p, cpu);
    static_cast<void>(free_block(nullptr, p, cpu));
}

/// SLOB-33.
template <class Cpus>
void Slob<Cpus>::free_kmalloc_object(std::byte* object, CpuId cpu) {
    const std::size_t in_page = offset_of(object) % page_size;
    if (!strike_off(object, slob_header, nullptr, cpu)) return;
    if (in_page < slob_header || in_page % slob_header != 0)
        return report(MisuseKind::interior_pointer, nullptr, object);
    const std::size_t size = header_of(object);
    if (size == 0 || in_page + size > page_size) return report(MisuseKind::overwritten, nullptr, object);
    const std::size_t bytes = size + slob_header;
    give_object(piece_at(object - slob_header, bytes), bytes, object, nullptr, cpu);
}

template <class Cpus>
void Slob<Cpus>::kmem_cache_free(Cache& cache, void* object, CpuId cpu) {
    auto* const p = static_cast<std::byte*>(object);
    const bool freed = cache.geometry.pages() ? free_block(&cache, p, cpu) : free_from_heap(cache, p, cpu);
    if (freed) ++cache.works[cpu].frees;
}

template <class Cpus>
bool Slob<Cpus>::free_from_heap(Cache& cache, std::byte* object, CpuId cpu) {
    if (!is_ours(object, PageKind::slab)) return report_not_ours(&cache, object), false;
    if (!strike_off(object, 0, &cache, cpu)) return false;
    const SlobGeometry& g = cache.geometry;
    if ((offset_of(object) & (g.align - 1)) != 0)
        return report(MisuseKind::interior_pointer, &cache, object), false;
    if (has(g.flags, CacheFlags::typesafe_by_rcu)) {  // SLOB-43; the size stands behind the list head
        const auto size = static_cast<std::int32_t>(g.size);
        std::memcpy(object + g.size - slob_rcu_footer + 2 * sizeof(void*), &size, sizeof size);
    }
    return give_object(piece_at(object, g.size), g.size, object, &cache, cpu);
}

/// `cache` is null for kfree. False: it was reported instead.
template <class Cpus>
bool Slob<Cpus>::free_block(const Cache* cache, std::byte* object, CpuId cpu) {
    const FrameIndex head = block_of(object);
    const void* const owner = cache == nullptr ? static_cast<const void*>(this) : cache;
    const bool right = head != no_frame && arena_.address_at(head) == object;
    if (!right || arena_.page_at(head).owner != owner) return report_not_ours(cache, object), false;
    if (!strike_off(object, 0, cache, cpu)) return false;
    give_block(head, cpu);
    return true;
}

template <class Cpus>
bool Slob<Cpus>::is_ours(const void* object, PageKind kind) const {
    const std::size_t offset = offset_of(object);
    if (offset >= arena_bytes_) return false;
    const Page& page = pages_[offset >> page_shift];
    return page.load_state().kind == kind && page.owner == this;
}

template <class Cpus>
bool Slob<Cpus>::strike_off_ledger(const std::byte* object, std::size_t header, const Cache* cache,
                                   CpuId cpu) {
    std::optional<MisuseKind> fault;
    {
        const LockGuard<Cpus> guard{cpus_, lock_, cpu};
        fault = fault_in_ledger(object, header, cache);
        if (!fault) ledger_.remove(arena_.offset_of(object) - header);
    }
    if (fault) report(*fault, cache, object);
    return !fault;
}

/// The lock is held.
template <class Cpus>
auto Slob<Cpus>::fault_in_ledger(const std::byte* object, std::size_t header, const Cache* cache)
    -> std::optional<MisuseKind> {
    using Kind = LedgerEntry::Kind;
    const std::size_t offset = arena_.offset_of(object);
    const LedgerEntry* const entry = ledger_.find(offset - header);
    const bool is_kmalloc = entry != nullptr && (entry->kind == Kind::kmalloc) == (header != 0);
    if (is_kmalloc && entry->cache == cache) {
        const bool intact = header == 0 || header_of(object) == entry->asked;
        return intact ? std::nullopt : std::optional{MisuseKind::overwritten};  // O5
    }
    const LedgerEntry* const other = ledger_.find(header == 0 ? offset - slob_header : offset);
    if (entry != nullptr && header == 0) return MisuseKind::wrong_cache;
    if (other != nullptr && (other->kind == Kind::kmalloc) == (header == 0)) return MisuseKind::wrong_cache;
    return ledger_.covers(offset) ? MisuseKind::interior_pointer : MisuseKind::double_free;
}

/// For a pointer into no page of the heap.
template <class Cpus>
void Slob<Cpus>::report_not_ours(const Cache* cache, const void* object) {
    if (is_ours(object, PageKind::slab)) return report(MisuseKind::wrong_cache, cache, object);
    const FrameIndex head = block_of(object);
    if (head == no_frame) return report(MisuseKind::foreign_pointer, cache, object);
    const bool begin = arena_.address_at(head) == object;
    report(begin ? MisuseKind::wrong_cache : MisuseKind::interior_pointer, cache, object);
}

template <class Cpus>
void Slob<Cpus>::report(MisuseKind kind, const Cache* cache, const void* object) {
    const std::string name = cache == nullptr ? std::string{} : cache->name;
    log_.report(
        {kind, object, name,
         fmt::format("BUG {}: {} {}\n", name.empty() ? "kmalloc" : name, to_string(kind), fmt::ptr(object))});
}

template <class Cpus>
std::uint32_t Slob<Cpus>::header_of(const std::byte* object) {
    std::uint32_t size = 0;
    std::memcpy(&size, object - slob_header, sizeof size);
    return size;
}

}  // namespace kmemlab

/// What a CPU's translation caches look like, and the text that describes it.
///
///     name=example            # one line each; l1, l2 and walk may come several times
///     source=who says so
///     l1=4K 64/4 lru          # what is held, entries/ways, replacement: lru or plru (a binary tree)
///     l1=2M,1G 32/32 lru      # several sizes share the entries
///     l2=4K,2M,pde 1536/12 lru
///     walk=pdpte,pml4e 16/16 lru
///
/// Pages are `4K`, `2M`, `1G`. Entries that point to tables are `pde` (to a table of 4 KiB leaves), `pdpte`,
/// `pml4e`, `pml5e`: who finds one of them walks on from that table. l1 holds pages, walk holds pointers, l2
/// holds both (AMD). A page of a size that a level does not hold is cached there in pieces of the next
/// smaller size.
///
/// The descriptions that are built in, and how far each can be trusted: docs/mmu.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/mmu/page_table.hpp"

namespace kmemlab {

/// What an entry of a translation cache holds: a leaf, or a pointer to a table, by the level where it stands.
enum class Cached : std::uint8_t { page_4k = 1, page_2m, page_1g, pde, pdpte, pml4e, pml5e };
inline constexpr unsigned cached_kinds = 8;

[[nodiscard]] constexpr Cached cached_leaf(unsigned level) {
    return static_cast<Cached>(level);
}
[[nodiscard]] constexpr Cached cached_pointer(unsigned level) {
    return static_cast<Cached>(level + 2);
}
[[nodiscard]] constexpr bool is_page(Cached kind) {
    return kind <= Cached::page_1g;
}
/// The level of the page table where it stands.
[[nodiscard]] constexpr unsigned level_of(Cached kind) {
    return static_cast<unsigned>(kind) - (is_page(kind) ? 0 : 2);
}
static_assert(level_of(cached_leaf(3)) == 3 && level_of(cached_pointer(2)) == 2);
static_assert(cached_pointer(2) == Cached::pde && cached_pointer(5) == Cached::pml5e);

enum class Replacement : std::uint8_t { lru, tree_plru };

struct CacheGeometry {
    std::vector<Cached> kinds;
    unsigned entries = 0;
    unsigned ways = 0;  ///< equal to entries: fully associative
    Replacement replacement = Replacement::lru;

    [[nodiscard]] unsigned sets() const { return entries / ways; }
};

struct TlbGeometry {
    std::string name;
    std::string source;
    std::vector<CacheGeometry> l1;
    std::vector<CacheGeometry> l2;
    std::vector<CacheGeometry> walk;
};

/// Reads a description. Throws UsageError with `file` and the line for what is malformed, cannot be built, or
/// is missing.
[[nodiscard]] TlbGeometry parse_tlb(std::string_view text, std::string_view file);

/// The CPUs that are built in.
[[nodiscard]] std::vector<TlbGeometry> known_tlbs();
/// One of them. Throws UsageError that names them all.
[[nodiscard]] TlbGeometry known_tlb(std::string_view name);

}  // namespace kmemlab

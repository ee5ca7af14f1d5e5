/// The translation caches of one CPU and the walk that fills them: two levels of TLB for data, and caches of
/// entries that point to tables.
///
///     address --> l1 --miss--> l2 --miss--> the deepest cached pointer --> walk from there, one load a level
///                 ^             |  fills                                     | fills l1, l2, pointers on the
///                 way
///                 +-------------+--------------------------------------------+
///
/// Geometry: tlb_geometry.hpp. A walk step is one reference to a table. Nothing is cached of an address that
/// has no leaf. Differences from CPUs: no speculation and no prefetch, so nothing is cached that was not
/// asked for; no two walks at once; adjacent pages are not joined to one entry; l2 keeps what l1 got.
///
/// Belongs to one CPU; SoftMmu guards it. Laws: V7.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "allocators/mmu/translation_cache.hpp"

namespace kmemlab {

/// Exact counts of one CPU, since it began.
struct TlbCounts {
    std::uint64_t l1_hits = 0;
    std::uint64_t l2_hits = 0;
    std::uint64_t walks = 0;       ///< misses of both levels
    std::uint64_t walk_steps = 0;  ///< references to tables in these
    std::uint64_t faults = 0;      ///< walks that found no leaf
    std::uint64_t stale_uses = 0;  ///< hits of an entry when the page table already said otherwise
    std::uint64_t flushed_pages = 0;
    std::uint64_t full_flushes = 0;

    [[nodiscard]] std::uint64_t translations() const { return l1_hits + l2_hits + walks; }
    TlbCounts& operator+=(const TlbCounts& other);
    friend bool operator==(const TlbCounts&, const TlbCounts&) = default;
};

class Tlb {
  public:
    explicit Tlb(const TlbGeometry& geometry);

    /// The leaf for an address, as this CPU believes it; nothing: a page fault.
    [[nodiscard]] std::optional<Translation> translate(VirtAddr at, const PageTable& table);
    /// Forgets each page of the range, and all cached pointers (as INVLPG does on Intel).
    void flush_pages(AddressRange range);
    void flush_all();

    [[nodiscard]] const TlbCounts& counts() const { return counts_; }
    [[nodiscard]] std::size_t metadata_bytes() const;

    /// Calls visit(kind, first address, translation) for each entry of each cache.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (const Level* level : {&l1_, &l2_, &walk_}) {
            for (const TranslationCache& cache : level->caches) cache.for_each(visit);
        }
    }

    struct Inside;  ///< for tests that break it

  private:
    /// The caches of one level, and which of them holds each kind.
    class Level {
      public:
        explicit Level(const std::vector<CacheGeometry>& geometry);
        /// nullptr: none.
        [[nodiscard]] TranslationCache* cache_of(Cached kind) {
            const std::uint8_t number = number_[static_cast<std::size_t>(kind)];
            return number == none ? nullptr : &caches[number];
        }
        [[nodiscard]] const Translation* find(Cached kind, VirtAddr at) {
            TranslationCache* const cache = cache_of(kind);
            return cache == nullptr ? nullptr : cache->find(kind, at);
        }
        [[nodiscard]] const Translation* find_page(VirtAddr at);
        /// Inserts a leaf as the largest kind that this level holds of it.
        void fill_page(VirtAddr at, const Translation& leaf);
        void drop(VirtAddr at);
        void clear();

        std::vector<TranslationCache> caches;

      private:
        static constexpr std::uint8_t none = 0xff;
        std::array<std::uint8_t, cached_kinds> number_{};
    };

    /// A table on the way to an address, and its level.
    struct Start {
        const Table* table;
        unsigned level;
    };
    [[nodiscard]] std::optional<Translation> walk(VirtAddr at, const PageTable& table);
    [[nodiscard]] Start start_of_walk(VirtAddr at, const PageTable& table);
    void fill_pointer(VirtAddr at, unsigned level, const Translation& pointer);

    Level l1_;
    Level l2_;
    Level walk_;
    TlbCounts counts_;
};

}  // namespace kmemlab

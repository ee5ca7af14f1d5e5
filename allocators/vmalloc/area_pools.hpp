/// Areas of 1 to 256 pages that a vmap node keeps for reuse, by their size:
///
///     pools      [1 page] -> area -> area          oldest first
///                [2]
///                 ...
///                [256]   -> area
///
/// An area comes here by a purge, so no translation of it is left; a request of exactly its size, guard
/// included, takes it without a search (VM-92, 93). The caller holds the lock that guards the pools.
///
/// Follows Linux 6.9. Laws: V2 (an area here is neither busy nor lazy nor free).
#pragma once

#include <array>
#include <cstdint>

#include "allocators/mmu/mmu.hpp"
#include "allocators/vmalloc/area_tree.hpp"

namespace kmemlab {

class AreaPools {
  public:
    /// In pages; larger areas are for the tree alone.
    static constexpr std::uint64_t largest = 256;

    /// The oldest area of `size` bytes. If it leaves the window or is not aligned it becomes the youngest,
    /// and nobody looks further: nullptr.
    [[nodiscard]] VmapArea* take(std::uint64_t size, std::uint64_t align, AddressRange window) {
        const std::uint64_t pages = size >> page_shift;
        if (pages == 0 || pages > largest || pools_[pages - 1].oldest == nullptr) return nullptr;
        VmapArea* const area = pop(pools_[pages - 1]);
        const bool fits = area->start % align == 0 && area->start >= window.begin.value() &&
                          area->end <= window.end.value();
        if (fits) return area;
        put(area);
        return nullptr;
    }

    /// Keeps an area of at most `largest` pages.
    void put(VmapArea* area) {
        Pool& pool = pools_[area->pages() - 1];
        area->right = nullptr;
        (pool.oldest == nullptr ? pool.oldest : pool.youngest->right) = area;
        pool.youngest = area;
        ++pool.count;
        ++count_;
    }

    /// Passes the oldest areas of each pool to drop(VmapArea*): one in `part`, rounded down (VM-94).
    template <class Drop>
    void decay(std::uint64_t part, Drop&& drop) {
        for (Pool& pool : pools_) {
            for (std::uint64_t n = pool.count / part; n > 0; --n) drop(pop(pool));
        }
    }

    template <class Visit>
    void for_each(Visit&& visit) const {
        for (const Pool& pool : pools_) {
            for (const VmapArea* area = pool.oldest; area != nullptr; area = area->right) visit(*area);
        }
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }

  private:
    struct Pool {
        VmapArea* oldest = nullptr;  ///< linked by `right`
        VmapArea* youngest = nullptr;
        std::uint64_t count = 0;
    };

    VmapArea* pop(Pool& pool) {
        VmapArea* const area = pool.oldest;
        pool.oldest = area->right;
        --pool.count;
        --count_;
        return area;
    }

    std::array<Pool, largest> pools_{};
    std::uint64_t count_ = 0;
};

}  // namespace kmemlab

#include <array>
#include <utility>
#include <vector>

#include "allocators/mmu/inside.hpp"
#include "fuzz/damage/mapping.hpp"

namespace kmemlab::fuzz {
namespace {

class SoftTable {
    using Part = SoftMmuPart;
    using Inside = SoftMmu::Inside;

    static PageTable& table(const Part& p) { return Inside::table(p.mmu); }
    /// Calls change(entry, address) of one leaf of a level in least..most, if there is one.
    template <class Change>
    static void with_leaf(const Part& p, Damage& d, unsigned least, unsigned most, Change&& change) {
        std::vector<std::pair<VirtAddr, unsigned>> leaves;
        table(p).walk([](const Table&) {},
                      [&](VirtAddr at, unsigned level, Pte) {
                          if (level >= least && level <= most) leaves.emplace_back(at, level);
                      });
        if (leaves.empty()) return;
        const auto [at, level] = leaves[d.pick(leaves.size())];
        change(*table(p).make_entry(at, level, p.cpu), at);
    }

    static void count_pages(const Part& p, Damage& d) {
        auto& pages = Inside::stats(p.mmu).mapped_pages;
        d.set(pages, pages + 1);
    }
    static void count_huge(const Part& p, Damage& d) {
        auto& leaves = Inside::stats(p.mmu).huge_leaves;
        d.set(leaves, leaves + 1);
    }
    static void count_tables(const Part& p, Damage& d) {
        auto& pages = PageTable::Inside::table_pages(table(p));
        d.set(pages, pages + 1);
    }
    static void lose_leaf(const Part& p, Damage& d) {
        with_leaf(p, d, 1, largest_leaf_level, [&](Pte& entry, VirtAddr) { d.set(entry, Pte{}); });
    }
    static void change_level(const Part& p, Damage& d) {
        with_leaf(p, d, 1, largest_leaf_level, [&](Pte& entry, VirtAddr) {
            d.set(entry, Pte::leaf(entry.first_frame(), entry.level() % largest_leaf_level + 1));
        });
    }
    static void shift_frame(const Part& p, Damage& d) {
        with_leaf(p, d, 2, largest_leaf_level, [&](Pte& entry, VirtAddr) {
            d.set(entry, Pte::leaf(entry.first_frame() + 1, entry.level()));
        });
    }
    static void map_table(const Part& p, Damage& d) {
        const auto frame = table(p).frame_of_table(table(p).root());
        if (frame) with_leaf(p, d, 1, 1, [&](Pte& entry, VirtAddr) { d.set(entry, Pte::leaf(*frame, 1)); });
    }
    static void lose_table(const Part& p, Damage& d) {
        with_leaf(p, d, 1, 1, [&](Pte&, VirtAddr at) { d.set(*table(p).make_entry(at, 2, p.cpu), Pte{}); });
    }
    /// The first cache of the CPU, of either level, that holds small pages.
    static TranslationCache* page_cache(const Part& p) {
        Tlb& tlb = Inside::tlb(p.mmu, p.cpu);
        for (auto* caches : {&Tlb::Inside::l1(tlb), &Tlb::Inside::l2(tlb)}) {
            for (TranslationCache& cache : *caches) {
                if (cache.holds(Cached::page_4k)) return &cache;
            }
        }
        return nullptr;
    }
    static void keep_stale(const Part& p, Damage& d) {
        TranslationCache* const cache = page_cache(p);
        if (cache == nullptr) return;
        with_leaf(p, d, 1, 1, [&](const Pte& entry, VirtAddr at) {
            cache->drop(Cached::page_4k, at);
            cache->insert(Cached::page_4k, at, {&entry, Pte::leaf(entry.first_frame() + 1, 1)});
            d.repair_by([cache, at] { cache->drop(Cached::page_4k, at); });
        });
    }

  public:
    static constexpr std::array<DamageKind<Part>, 9> kinds{{
        {"a wrong number of mapped pages", "V4", count_pages},
        {"a wrong number of huge leaves", "V4", count_huge},
        {"a leaf that was lost", "V4", lose_leaf},
        {"a leaf of another level", "V5", change_level},
        {"a huge leaf that is not aligned", "V5", shift_frame},
        {"a page table that is mapped", "V6", map_table},
        {"a stale translation", "V7", keep_stale},
        {"a wrong number of tables", "V14", count_tables},
        {"a table that was lost", "V14 V4", lose_table},
    }};
};

class HostTable {
    using Part = HostMmuPart;
    using Inside = HostMmu::Inside;

    template <class Change>
    static void with_extent(const Part& p, Damage& d, Change&& change) {
        auto& extents = Inside::extents(p.mmu);
        if (extents.empty()) return;
        auto& extent =
            std::next(extents.begin(), static_cast<std::ptrdiff_t>(d.pick(extents.size())))->second;
        if (!extent.claimed) change(extent);
    }

    static void count_mappings(const Part& p, Damage& d) {
        auto& mappings = Inside::stats(p.mmu).mappings;
        d.set(mappings, mappings + 1);
    }
    static void count_pages(const Part& p, Damage& d) {
        auto& pages = Inside::stats(p.mmu).mapped_pages;
        d.set(pages, pages + 1);
    }
    static void turn_lazy(const Part& p, Damage& d) {
        with_extent(p, d, [&](auto& extent) { d.set(extent.lazy, !extent.lazy); });
    }
    static void empty(const Part& p, Damage& d) {
        with_extent(p, d, [&](auto& extent) { d.set(extent.pages, 0U); });
    }
    static void leave_window(const Part& p, Damage& d) {
        with_extent(p, d, [&](auto& extent) { d.set(extent.pages, p.mmu.window().pages() + 1); });
    }
    static void leave_arena(const Part& p, Damage& d) {
        with_extent(p, d, [&](auto& extent) { d.set(extent.first, p.behind); });
    }
    static void claim_many(const Part& p, Damage& d) {
        with_extent(p, d, [&](auto& extent) {
            if (extent.pages > 1) d.set(extent.claimed, true);
        });
    }

  public:
    static constexpr std::array<DamageKind<Part>, 7> kinds{{
        {"a wrong number of mappings", "V4", count_mappings},
        {"a wrong number of mapped pages", "V4", count_pages},
        {"an extent that is lazy or not, wrongly", "V4", turn_lazy},
        {"an extent without pages", "V5", empty},
        {"an extent that leaves the window", "V5", leave_window},
        {"an extent of no memory", "V5", leave_arena},
        {"claimed pages in one", "V5", claim_many},
    }};
};

}  // namespace

std::span<const DamageKind<SoftMmuPart>> soft_mmu_damages() {
    return SoftTable::kinds;
}
std::span<const DamageKind<HostMmuPart>> host_mmu_damages() {
    return HostTable::kinds;
}

}  // namespace kmemlab::fuzz

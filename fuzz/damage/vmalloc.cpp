#include <array>
#include <utility>
#include <vector>

#include "allocators/mmu/inside.hpp"
#include "allocators/vmalloc/inside.hpp"
#include "fuzz/damage/mapping.hpp"

namespace kmemlab::fuzz {
namespace {

using Space = VmapSpace<OwnedCpus>::Inside;
using Blocks = VmapBlocks<OwnedCpus>::Inside;

/// One of the areas of a tree that a condition holds for; nullptr: there is none.
template <class Condition>
VmapArea* pick_area(const Damage& d, const AreaTree& tree, Condition&& condition) {
    std::vector<VmapArea*> found;
    for (VmapArea* area = tree.first(); area != nullptr; area = AreaTree::next(area)) {
        if (condition(*area)) found.push_back(area);
    }
    return found.empty() ? nullptr : found[d.pick(found.size())];
}
bool has_pages(const VmapArea& area) {
    return area.pages() > 1;
}

template <class M>
class Tree {
    using Part = VmallocPart<M>;
    using Inside = typename Vmalloc<OwnedCpus, M>::Inside;

    static AreaTree& free(const Part& p) { return Space::free(Inside::space(p.vmalloc)); }
    static AreaTree& busy(const Part& p) { return Space::busy(Inside::space(p.vmalloc)); }
    static void resize(Damage& d, AreaTree& tree, VmapArea* area, std::uint64_t start, std::uint64_t end) {
        d.repair_by([&tree, area, was = *area] { tree.resize(area, was.start, was.end); });
        tree.resize(area, start, end);
    }

    // --- V1 to V4 ---
    static void overlap(const Part& p, Damage& d) {
        if (VmapArea* const area = pick_area(d, busy(p), [](const VmapArea&) { return true; }))
            resize(d, busy(p), area, area->start, area->end + page_size);
    }
    static void empty(const Part& p, Damage& d) {
        if (VmapArea* const area = busy(p).root()) d.set(area->end, area->start);
    }
    static void lose_free(const Part& p, Damage& d) {
        if (VmapArea* const area = pick_area(d, free(p), has_pages))
            resize(d, free(p), area, area->start + page_size, area->end);
    }
    static void lose_last(const Part& p, Damage& d) {
        VmapArea* const area = free(p).last();
        if (area != nullptr && has_pages(*area)) resize(d, free(p), area, area->start, area->end - page_size);
    }
    static void cut_free(const Part& p, Damage& d) {
        VmapArea* const area = pick_area(d, free(p), has_pages);
        if (area == nullptr) return;
        auto* const lower = new VmapArea{.start = area->start, .end = area->start + page_size};
        resize(d, free(p), area, lower->end, area->end);
        free(p).insert(lower);
        d.repair_by([&tree = free(p), lower] {
            tree.remove(lower);
            delete lower;
        });
    }
    static void promise(const Part& p, Damage& d) {
        if (VmapArea* const area = pick_area(d, free(p), [](const VmapArea&) { return true; }))
            d.set(area->largest, area->largest + page_size);
    }
    static void redden(const Part& p, Damage& d) {
        if (VmapArea* const root = free(p).root()) d.set(root->red, true);
    }
    static void count_lazy(const Part& p, Damage& d) {
        auto& pages = Space::lazy_pages(Inside::space(p.vmalloc));
        d.set(pages, pages + 1);
    }

    // --- Areas and their mappings ---
    static void exchange_owners(const Part& p, Damage& d) {
        VmapArea* const area = pick_area(d, busy(p), [](const VmapArea& a) { return a.use == AreaUse::vm; });
        VmapArea* const other =
            pick_area(d, busy(p), [&](const VmapArea& a) { return a.use == AreaUse::vm && &a != area; });
        if (area == nullptr || other == nullptr) return;
        void* const owner = area->owner;
        d.set(area->owner, other->owner);
        d.set(other->owner, owner);
    }
    static void count_huge(const Part& p, Damage& d) {
        auto& leaves = M::Inside::stats(Inside::mmu(p.vmalloc)).huge_leaves;
        d.set(leaves, leaves + 1);
    }
    static void count_pages(const Part& p, Damage& d) {
        auto& pages = Inside::nr_vmalloc_pages(p.vmalloc);
        d.set(pages, pages + 1);
    }

    // --- V9 ---
    template <class Change>
    static void with_block(const Part& p, Change&& change) {
        auto& blocks = Inside::blocks(p.vmalloc);
        if (!Blocks::all(blocks).empty()) change(Blocks::any_block(blocks));
    }
    static void fill_block(const Part& p, Damage& d) {
        with_block(p, [&](auto& block) { d.set(block.free, block.free == 0 ? 1U : 0U); });
    }
    static void count_dirty(const Part& p, Damage& d) {
        with_block(p, [&](auto& block) { d.set(block.dirty, block.dirty + 1); });
    }
    static void shift_dirty(const Part& p, Damage& d) {
        with_block(p, [&](auto& block) {
            if (block.dirty > 0) d.set(block.dirty_end, block.dirty_begin);
        });
    }
    static void dirty_all(const Part& p, Damage& d) {
        with_block(p, [&](auto& block) {
            if (block.free > 0) return;
            for (std::uint8_t& pages : block.live) d.set(pages, 0U);
            d.set(block.dirty, block.live.size());
        });
    }
    static void leave_area(const Part& p, Damage& d) {
        with_block(p, [&](auto& block) { d.set(block.area->owner, nullptr); });
    }
    static void move_home(const Part& p, Damage& d) {
        with_block(p, [&](auto& block) { d.set(block.home, CpuId{block.home.value() + 1}); });
    }
    static void lose_block(const Part& p, Damage& d) {
        with_block(p, [&](auto& block) {
            auto& all = Blocks::all(Inside::blocks(p.vmalloc));
            d.repair_by([&all, &block] { all.insert(&block); });
            all.erase(&block);
        });
    }

  public:
    static constexpr std::array<DamageKind<Part>, 18> kinds{{
        {"an area that overlaps the next", "V1", overlap},
        {"an area without addresses", "V1", empty},
        {"addresses of nobody", "V2", lose_free},
        {"the last addresses of nobody", "V2", lose_last},
        {"two free areas side by side", "V2", cut_free},
        {"a subtree that promises too much", "V3", promise},
        {"a red root", "V3", redden},
        {"a wrong number of lazy pages", "V4", count_lazy},
        {"areas with each other's pages", "V1", exchange_owners},
        {"a wrong number of huge leaves", "V12", count_huge},
        {"a wrong number of pages in areas", "V4", count_pages},
        {"a block with other room than its queue says", "V9", fill_block},
        {"a wrong number of dirty pages", "V9", count_dirty},
        {"a block that is dirty elsewhere", "V9", shift_dirty},
        {"a block that is dirty all over", "V9", dirty_all},
        {"a block that is not its area's", "V9", leave_area},
        {"a block on another CPU's queue", "V9", move_home},
        {"a block that is no more", "V9", lose_block},
    }};
};

}  // namespace

template <class M>
std::span<const DamageKind<VmallocPart<M>>> vmalloc_damages() {
    return Tree<M>::kinds;
}

template std::span<const DamageKind<VmallocPart<SoftMmu>>> vmalloc_damages();
template std::span<const DamageKind<VmallocPart<HostMmu>>> vmalloc_damages();

}  // namespace kmemlab::fuzz

/// Areas of virtual memory in a red-black tree by address, each node knowing the largest size in its subtree.
///
///                      [20000, top)            each node: [start, end), largest = max(own, left, right)
///                     /            \           keyed by start; areas of one tree never overlap
///            [4000, 9000)     ...
///
/// For alignments above a page the search finds what its walk happens to meet (VM-22), so the shape of the
/// tree decides which address is given: the repairs are those of the textbook, and an area whose edge moves
/// keeps its node (VM-23, 24). Addresses are those of the MMU's window, or of no memory at all.
///
/// Nodes belong to whoever links them; the caller holds whatever lock guards the tree. Laws: V2, V3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "allocators/base/units.hpp"

namespace kmemlab {

/// What a busy area is used for.
enum class AreaUse : std::uint8_t {
    none,   ///< nothing that is known here
    vm,     ///< vmalloc.hpp
    block,  ///< vmap_blocks.hpp
};

/// Sizes, alignments and addresses of virtual memory are in bytes.
struct VmapArea {
    std::uint64_t start = 0;
    std::uint64_t end = 0;  ///< exclusive; the guard page is inside

    VmapArea* left = nullptr;
    VmapArea* right = nullptr;
    VmapArea* parent = nullptr;
    std::uint64_t largest = 0;  ///< size of the largest area in this subtree
    bool red = false;
    bool pooled = false;     ///< lies in a pool, or came from there (area_pools.hpp)
    std::uint16_t home = 0;  ///< number of the node whose CPU asked for it: its pool takes it (VM-93)

    AreaUse use = AreaUse::none;
    void* owner = nullptr;  ///< of a busy area: what lies in it, as `use` says

    [[nodiscard]] std::uint64_t size() const { return end - start; }
    [[nodiscard]] std::uint64_t pages() const { return size() >> page_shift; }
};

class AreaTree {
  public:
    [[nodiscard]] bool empty() const { return root_ == nullptr; }
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] VmapArea* root() const { return root_; }
    [[nodiscard]] VmapArea* first() const;
    [[nodiscard]] VmapArea* last() const;
    [[nodiscard]] static VmapArea* next(const VmapArea* area);
    [[nodiscard]] static VmapArea* previous(const VmapArea* area);
    /// The area that `address` lies in; nullptr: none.
    [[nodiscard]] VmapArea* find(std::uint64_t address) const;

    void insert(VmapArea* area);
    void remove(VmapArea* area);
    /// Moves an edge; the order of the tree must stay.
    void resize(VmapArea* area, std::uint64_t start, std::uint64_t end);

    /// Inserts `area`, or joins it to the areas beside it (VM-32); then `area` itself is not in the tree.
    /// Areas that this leaves without use, at most two, are passed to drop(VmapArea*).
    template <class Drop>
    void insert_joined(VmapArea* area, Drop&& drop) {
        VmapArea* const after = first_from(area->end);
        VmapArea* const before = after == nullptr ? last() : previous(after);
        const bool joins_after = after != nullptr && after->start == area->end;
        const bool joins_before = before != nullptr && before->end == area->start;
        if (!joins_after && !joins_before) return insert(area);
        if (joins_before) {
            if (joins_after) remove(after);
            resize(before, before->start, joins_after ? after->end : area->end);
            if (joins_after) drop(after);
        } else {
            resize(after, area->start, after->end);
        }
        drop(area);
    }

    /// The first area from which `size` bytes aligned to `align` can be had at or above `lowest`, met by the
    /// walk of VM-22; `needed` is the size that a subtree must promise to be walked into. nullptr: none.
    [[nodiscard]] VmapArea* find_fit(std::uint64_t size, std::uint64_t align, std::uint64_t lowest,
                                     std::uint64_t needed) const;
    /// Where the request would begin in `area` (VM-20); nothing if it does not fit.
    [[nodiscard]] static std::optional<std::uint64_t> place_in(const VmapArea& area, std::uint64_t size,
                                                               std::uint64_t align, std::uint64_t lowest);

    /// What is wrong with order, colours, links or sizes of subtrees; empty: nothing (V2, V3).
    [[nodiscard]] std::string find_fault() const;

  private:
    /// The lowest area that begins at or above `address`.
    [[nodiscard]] VmapArea* first_from(std::uint64_t address) const;
    void replace_child(VmapArea* parent, VmapArea* old_child, VmapArea* new_child);
    void rotate(VmapArea* up, bool to_left);
    void repair_insert(VmapArea* area);
    void repair_remove(VmapArea* parent, VmapArea* child);
    static void update(VmapArea* area);
    static void update_upwards(VmapArea* area);

    VmapArea* root_ = nullptr;
    std::uint64_t count_ = 0;
};

}  // namespace kmemlab

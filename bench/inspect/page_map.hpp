/// Maps of memory: who has each page of the arena, at one moment, and the moments of a whole replay.
///
///     pfn      0        8    10   12       16
///     blocks   |########|....|....|########| ...        one run: blocks of one owner and one size in a row
///     runs     {slab of filp, 8 pages, 1}, {free of order 1, 2 pages, 2}, ...
///     pageblocks  M           U           R             a letter for each: its migrate type
///
/// A map is read from the descriptors alone: the first frame of each block says what the block is and how
/// large. Each owner has a number, the same in all maps of a film. docs/results.md describes the file.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "allocators/buddy/buddy.hpp"
#include "allocators/machine/arena.hpp"

namespace kmemlab::inspect {

/// Calls visit(head, state, pages) for each block, ascending. Frames that head nothing and are in no block
/// are blocks of one page.
template <class Visit>
void for_each_block(const Arena& arena, Visit&& visit) {
    for (std::uint64_t i = 0; i < arena.frames();) {
        const auto head = static_cast<FrameIndex>(i);
        const PageState state = arena.page_at(head).load_state();
        const bool block = state.kind != PageKind::none && state.kind != PageKind::reserved;
        const std::uint64_t pages = block ? Order{state.order}.pages() : 1;
        visit(head, state, pages);
        i += pages;
    }
}

enum class PageUse : std::uint8_t {
    free,      ///< on a free list of the zone
    per_cpu,   ///< on a CPU's page list
    slab,      ///< of the cache `name`
    large,     ///< one object beyond the size classes
    pages,     ///< given to the user of pages; `name` says for what
    reserved,  ///< never given out, or not there
};
[[nodiscard]] std::string_view to_string(PageUse use);

struct Owner {
    PageUse use{};
    std::string name;
    unsigned order = 0;  ///< of a free block
    friend auto operator<=>(const Owner&, const Owner&) = default;
};

struct Run {
    std::uint32_t owner = 0;  ///< its number
    std::uint32_t pages = 0;  ///< of each block
    std::uint32_t blocks = 0;
    friend bool operator==(const Run&, const Run&) = default;
};

struct PageMap {
    std::uint64_t operation = 0;  ///< so many operations were done
    std::vector<Run> runs;
    std::string pageblocks;  ///< U, M, R or H for each, from the one that the arena begins in
};

/// Owners of a film, by number.
class OwnerTable {
  public:
    [[nodiscard]] std::uint32_t number(const Owner& owner);
    [[nodiscard]] const std::vector<Owner>& owners() const { return owners_; }

  private:
    std::map<Owner, std::uint32_t> numbers_;
    std::vector<Owner> owners_;
};

/// Who has a block that callers hold; `frame` is its first.
using OwnerOf = std::function<Owner(FrameIndex frame, PageState state)>;

/// Nobody else may be inside.
[[nodiscard]] PageMap map_of(const Buddy<OwnedCpus>& buddy, const Arena& arena, OwnerTable& table,
                             const OwnerOf& owner_of);

}  // namespace kmemlab::inspect

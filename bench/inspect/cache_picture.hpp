/// Pictures of object caches: which slabs there are, who has them, and what is free of each, as text.
///
///     CPU 0  slab      pfn     62  52/64  ####################################################oooo........
///            partial   1 slab, at most 4
///                      pfn     65  10/64  ####....######..................................................
///     node   full      12 slabs, on no list
///                      12 all in use: pfn 100, 104-114
///
/// A picture is plain data, made from the caches of one allocator by pictures_of() and printed by one
/// function for all of them. To make it nothing is changed: one look at the descriptors of the arena finds
/// the slabs, the lists say where each is, free lists, arrays and sheaves which of its objects are free.
/// Nobody else may be inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/contract/models.hpp"

namespace kmemlab::inspect {

/// An object of a slab, one character each.
inline constexpr char in_use = '#';
inline constexpr char kept = 'o';     ///< free, and a CPU, the shared array or the barn has it
inline constexpr char is_free = '.';  ///< free in its slab
inline constexpr char another = '-';  ///< SLOB: memory of another cache in the same page

struct SlabPicture {
    Pfn pfn;
    std::uint64_t pages = 1;
    std::string objects;
};

/// An array of free objects: how many it has, and how many it could.
struct Fill {
    std::size_t count = 0;
    std::size_t room = 0;
};

/// Where slabs or free objects of a cache are.
struct Place {
    std::string whose;  ///< "CPU 0", "node"
    std::string what;   ///< "slab", "partial", "array"
    std::string note;   ///< "1 slab, at most 4"; empty: nothing to say of it
    std::vector<SlabPicture> slabs{};
    std::optional<Fill> array{};
};

struct CachePicture {
    std::string name;
    std::size_t object_size = 0;  ///< bytes asked; 0: of many sizes
    std::size_t size = 0;         ///< bytes from one object to the next
    std::string slab_text;        ///< "64 objects of 64 bytes in a slab of 1 page"
    std::string objects_text = "objects";
    std::vector<Place> places{};  ///< of the CPUs, ascending, then the node's
};

struct Totals {
    std::uint64_t slabs = 0;
    std::uint64_t pages = 0;
    std::uint64_t in_use = 0;
    std::uint64_t kept = 0;
    std::uint64_t free = 0;
    std::uint64_t another = 0;
    [[nodiscard]] std::uint64_t objects() const { return in_use + kept + free; }
};
[[nodiscard]] Totals totals(const CachePicture& picture);

/// Every cache, oldest first. Of SLOB, which has one heap for all of them: its three lists, then each cache
/// by the pages that have objects of it, if `slob.track` is set.
[[nodiscard]] std::vector<CachePicture> pictures_of(SlubModel& model);
[[nodiscard]] std::vector<CachePicture> pictures_of(SheavesModel& model);
[[nodiscard]] std::vector<CachePicture> pictures_of(SlabModel& model);
[[nodiscard]] std::vector<CachePicture> pictures_of(SlobModel& model);

/// The diagram. Of more slabs than `most_slabs` in one place the others are counted.
[[nodiscard]] std::string to_text(const CachePicture& picture, std::size_t most_slabs = 40);
/// A line for each cache that has a slab, the largest first, and the names of the others.
[[nodiscard]] std::string list_text(const std::vector<CachePicture>& pictures);

}  // namespace kmemlab::inspect

/// How SLAB lays out a cache: a pure function of what was asked and of the machine (SLAB-1..6).
///
///     0          colour        + i * size                                     order.bytes()
///     | unused   | object 0 | object 1 | ...                | unused | indexes |
///     | (colour) |                                          |        | (4c)    |
///
/// The free indexes of a slab, one byte each, lie where SLAB-4 says: in a free object, in memory of a kmalloc
/// cache, or in the last bytes of the slab. What is left over is used to begin the objects of successive
/// slabs at different cache lines (colours).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "allocators/base/units.hpp"
#include "allocators/objects/cache.hpp"

namespace kmemlab {

/// Most objects of one slab: an index is a byte (SLAB-2).
inline constexpr std::size_t max_slab_indexes = 255;
/// Least distance of two objects.
inline constexpr std::size_t min_slab_stride = 16;

/// Where the free indexes of a slab lie, in the order in which SLAB-4 tries.
enum class IndexPlace : std::uint8_t { in_object, off_slab, on_slab };
/// As the kernel's experiments name them: objfreelist, off, on.
[[nodiscard]] std::string_view to_string(IndexPlace place);

struct SlabGeometryRequest {
    std::size_t size = 0;
    std::size_t align = 0;  ///< as asked; 0 for the minimum
    CacheFlags flags = CacheFlags::none;
    bool constructor = false;
};

/// What geometry depends on beside the cache.
struct SlabGeometryRules {
    unsigned cpus = 1;
    unsigned max_order = 1;  ///< largest order of a slab with several objects
};

struct SlabGeometry {
    std::size_t object_size = 0;  ///< bytes asked
    std::size_t align = 0;        ///< bytes
    std::size_t size = 0;         ///< bytes from one object to the next
    Order order;                  ///< of every slab (SLAB-62)
    std::uint32_t objects = 0;    ///< in a slab; as many bytes of free indexes
    std::uint32_t colours = 0;    ///< 0 and 1: all slabs begin alike
    std::size_t colour_off = 0;   ///< bytes from one colour to the next
    std::size_t left = 0;         ///< bytes of a slab that hold neither objects nor indexes
    IndexPlace place = IndexPlace::on_slab;
    std::uint32_t limit = 0;       ///< entries of a CPU's array (SLAB-6)
    std::uint32_t batchcount = 0;  ///< entries moved at once
    std::uint32_t shared = 0;      ///< batches that the shared array holds; 0: there is none
    CacheFlags flags = CacheFlags::none;
};

/// Nothing if no slab can hold one object.
[[nodiscard]] std::optional<SlabGeometry> slab_geometry(const SlabGeometryRequest& request,
                                                        const SlabGeometryRules& rules);

/// SLAB-7: free objects in slabs above which empty slabs go back.
[[nodiscard]] constexpr std::uint64_t slab_free_limit(unsigned cpus, std::uint32_t batchcount,
                                                      std::uint32_t objects) {
    return (std::uint64_t{1} + cpus) * batchcount + objects;
}

}  // namespace kmemlab

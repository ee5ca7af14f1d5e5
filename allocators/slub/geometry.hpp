/// How SLUB lays out a cache: a pure function of what was asked and of the machine (SLUB-1..6).
///
/// One object's stride, with all debugging on (a part that is not asked for is not there):
///
///     0         left_pad        +object_size  +inuse   +8       +64      +4 (kmalloc)   size
///     | red zone | object        | red zone    | free   | alloc, | size   | red  | to    |
///     | (left)   |  (free ptr)   | (right)     | ptr    | free   | asked  | zone | align |
///
/// Without debugging the free pointer lies in the middle of the object, behind it only where the content of
/// a free object matters (constructor, RCU).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/base/units.hpp"
#include "allocators/objects/cache.hpp"

namespace kmemlab {

/// Flags with which every operation of a cache takes the slow, checked way (SLUB-72).
inline constexpr CacheFlags debug_flags = CacheFlags::consistency_checks | CacheFlags::red_zone |
                                          CacheFlags::poison | CacheFlags::store_user | CacheFlags::trace;

/// Most objects of one slab: the kernel counts them in 15 bits (SLUB-4).
inline constexpr std::size_t max_slab_objects = 32767;
/// One owner record (STORE_USER): address, record number, CPU, process, time.
inline constexpr std::size_t owner_record_bytes = 32;

struct GeometryRequest {
    std::size_t size = 0;
    std::size_t align = 0;  ///< as asked; 0 for the minimum
    CacheFlags flags = CacheFlags::none;
    bool constructor = false;
    bool kmalloc = false;  ///< remembers the size asked if STORE_USER
};

/// What geometry depends on beside the cache: the machine and the tunables.
struct GeometryRules {
    unsigned cpus = 1;
    unsigned max_order = 3;
    unsigned min_order = 0;
    unsigned min_objects = 0;  ///< 0: 4 * (fls(cpus) + 1)
};

struct Geometry {
    std::size_t object_size = 0;  ///< bytes asked
    std::size_t align = 0;        ///< bytes
    std::size_t size = 0;         ///< bytes from one object to the next
    std::size_t inuse = 0;        ///< bytes of the object and its right red zone
    std::size_t free_offset = 0;  ///< of the free pointer in the object
    std::size_t left_pad = 0;     ///< bytes of the left red zone, before the object
    Order order;                  ///< of a slab
    Order min_order;              ///< of a slab when memory is short
    std::uint32_t objects = 0;    ///< in a slab of `order`
    std::uint32_t min_objects = 0;
    std::uint32_t min_partial = 0;  ///< slabs kept on the node's list though empty (SLUB-6)
    std::uint32_t cpu_partial = 0;  ///< objects wanted on a CPU's partial list; 0 for debug caches
    CacheFlags flags = CacheFlags::none;

    /// Bytes of the object and all behind it, without the left red zone.
    [[nodiscard]] std::size_t size_from_object() const { return size - left_pad; }
    [[nodiscard]] bool free_pointer_outside() const { return free_offset >= inuse; }
    /// Where the owner records begin.
    [[nodiscard]] std::size_t info_end() const {
        return free_pointer_outside() ? inuse + sizeof(void*) : inuse;
    }
};

/// Nothing if no slab can hold one object.
[[nodiscard]] std::optional<Geometry> slub_geometry(const GeometryRequest& request,
                                                    const GeometryRules& rules);

/// Slabs on a CPU's partial list at which it is given to the node: ceil(2 * objects / objects per slab).
[[nodiscard]] std::uint32_t cpu_partial_slabs(std::uint32_t cpu_partial, std::uint32_t objects_per_slab);

}  // namespace kmemlab

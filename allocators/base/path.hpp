/// Which way through an allocator served an operation. Every model reports its operations in these words;
/// a model uses those that exist in its design.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kmemlab {

enum class Path : std::uint8_t {
    fast,          ///< per-CPU list or array, nothing shared touched
    refill,        ///< per-CPU list filled first, from what the CPU's slab or the zone had
    cpu_partial,   ///< slab taken from, or put on, the CPU's partial list
    node_partial,  ///< slab taken from, or put on, the node's partial list
    slab,          ///< freed into a slab that is not this CPU's, lists unchanged
    new_slab,      ///< a slab was made from new pages
    discard,       ///< a slab became empty and its pages went back
    large,         ///< size beyond the classes: straight to the page source
    zone,          ///< free lists of the zone, past the per-CPU page list
    steal,         ///< free lists of another migrate type
    other_zone,    ///< a zone below the preferred one
    flush,         ///< per-CPU page list, array, or vmalloc's waiting areas overflowed and were given back
    failed,        ///< no memory: null
    shared,        ///< array that the CPUs of a node share: a batch taken from it, or put there
    tree,          ///< searched in the free areas that all CPUs share (vmalloc)
    opaque,        ///< the allocator does not tell (libc malloc)
};

inline constexpr std::size_t path_count = static_cast<std::size_t>(Path::opaque) + 1;

[[nodiscard]] constexpr std::string_view to_string(Path path) {
    constexpr std::array<std::string_view, path_count> names{
        "fast", "refill", "cpu_partial", "node_partial", "slab",   "new_slab", "discard", "large",
        "zone", "steal",  "other_zone",  "flush",        "failed", "shared",   "tree",    "opaque"};
    return names[static_cast<std::size_t>(path)];
}

}  // namespace kmemlab

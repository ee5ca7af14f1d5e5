/// Operations: what a fuzzed program is made of. Each is a record of 12 bytes, so that any bytes are a valid
/// program, and prints as one line of text:
///
///     alloc slot=5 size=192 gfp=kernel|zero cpu=1 strike=3x2
///
/// A slot is a register, 0..63, that holds what an operation got. An operation that needs a free slot, or a
/// full one, takes the next such from the named one on; without one it does nothing. So taking an operation
/// out of a program leaves the meaning of the others, which is what the reducer lives on.
///
/// `strike=POINTxCOUNT` is the schedule: at the marked point number POINT of this operation (1: the first)
/// the next COUNT operations of the program run on other CPUs, before this one goes on (machine/cpus.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "allocators/base/gfp.hpp"

namespace kmemlab::fuzz {

enum class OpKind : std::uint8_t {
    // Objects
    alloc,          ///< kmalloc
    alloc_many,     ///< `count` times kmalloc, into one slot
    resize,         ///< krealloc
    release,        ///< frees what the slot holds, object by object
    release_bulk,   ///< the same in bulk
    release_some,   ///< `count` objects of what the slot holds
    cache_create,   ///< a cache of `size` bytes, `align`; `count`: flags
    cache_destroy,  ///< of the cache, if no object of it lives; else what lives is reported (S11)
    cache_alloc,    ///< one object of the cache
    cache_bulk,     ///< `count` objects of the cache, all or none
    shrink,         ///< kmem_cache_shrink
    flush,          ///< what CPU `count` holds of the cache goes to the node
    tune,           ///< a write of cpu_partial and min_partial, or of limit and batchcount
    validate,       ///< the debug walk of the cache: nothing is found
    advance,        ///< the clock, by `size` jiffies: reapers run
    // Pages
    pages,        ///< a block of order `count`
    pages_bulk,   ///< `count` single pages
    pages_exact,  ///< `size` bytes
    pages_fill,   ///< blocks of order `count` until there is none
    hold,         ///< get_page
    drop,         ///< put_page
    local_drain,  ///< drain_local_pages
    unreserve,    ///< the HIGHATOMIC reserve is given back
    // Mapping
    area,         ///< vmalloc of `size` bytes aligned to 2^`align` pages; `count` odd: vzalloc
    area_huge,    ///< vmalloc_huge of `size` bytes beside 2 MiB
    chunk,        ///< a chunk of per-CPU areas
    map,          ///< vmap of `count` frames; kmap of the frame `count`; `count` frames at page `size`
    map_huge,     ///< a leaf of 2 MiB, or if `count` is odd of 1 GiB, at page `size`
    map_ram,      ///< vm_map_ram of `count` frames
    map_local,    ///< kmap_local of the frame `count`
    unmap_local,  ///< kunmap_local of what the CPU's task mapped last
    leave,        ///< the CPU leaves the address space; its task stops running
    enter,        ///< it comes back; a task that stopped there runs again
    purge,        ///< vm_unmap_aliases; a flush of everything
    flush_range,  ///< a flush of `count` pages from page `size` on
    touch,        ///< reads page `size` of what the slot has mapped on the CPU
    // Stacks
    fork,      ///< a task with a stack
    run,       ///< the slot's task uses `size` bytes of its stack
    reach,     ///< and reads one byte at once, `size` below its top
    populate,  ///< the stack gets all its pages
    look,      ///< somebody takes a reference to the slot's stack
    forget,    ///< and drops it
    grace,     ///< a grace period ends on the CPU
    offline,   ///< the CPU's stack slots are emptied
    // Of all
    drain,  ///< everything held for reuse goes back
    fail,   ///< the page source fails: from the `count`-th request on, `size` times
    walk,   ///< find_violation now; objects: what is shown of all caches, or if `count` is odd of one
    // Misuse, judged: it must be reported once, by its kind. The program ends there.
    misuse_overwrite,  ///< a byte behind the object is written, then the object freed
    misuse_use_freed,  ///< the object is freed, written to, and its cache validated, or objects taken (odd
                       ///< `count`)
    misuse_twice,      ///< freed twice
    misuse_inside,     ///< an address inside the object is freed
    misuse_foreign,    ///< an address that nobody gave is freed
    misuse_cache,      ///< freed to a cache that it is not from
    misuse_order,      ///< a block freed with another order
    // Damage, undone: find_violation must name it.
    damage,  ///< number `count` of the allocator's damages (fuzz/damage), `size` and `slot` say where
};
inline constexpr std::size_t op_kind_count = static_cast<std::size_t>(OpKind::damage) + 1;

struct Operation {
    OpKind kind = OpKind::walk;
    std::uint8_t cpu = 0;   ///< modulo the number of CPUs
    std::uint8_t slot = 0;  ///< modulo 64
    std::uint8_t gfp = 0;   ///< index into gfp_choices, modulo
    std::uint32_t size = 0;
    std::uint8_t count = 0;
    std::uint8_t align = 0;
    std::uint8_t strike_at = 0;  ///< 0: nobody strikes
    std::uint8_t strike_count = 0;

    friend bool operator==(const Operation&, const Operation&) = default;
};
inline constexpr std::size_t operation_bytes = 12;

/// Which numbers an operation reads, besides CPU and schedule.
struct OpFields {
    bool slot = false;
    bool cache = false;  ///< see cache_of()
    bool gfp = false;
    bool size = false;
    bool count = false;
    bool align = false;
};

struct OpInfo {
    OpKind kind;
    std::string_view name;
    OpFields fields;
    bool concurrent = false;  ///< may be struck, and may strike: what it touches may be used by many CPUs
    std::optional<OpKind> inverse{};
};

// clang-format off
inline constexpr std::array<OpInfo, op_kind_count> op_infos{{
    {OpKind::alloc, "alloc", {.slot = true, .gfp = true, .size = true, .align = true}, true, OpKind::release},
    {OpKind::alloc_many, "alloc_many", {.slot = true, .gfp = true, .size = true, .count = true}, true, OpKind::release},
    {OpKind::resize, "resize", {.slot = true, .gfp = true, .size = true}, true, {}},
    {OpKind::release, "release", {.slot = true}, true, {}},
    {OpKind::release_bulk, "release_bulk", {.slot = true}, true, {}},
    {OpKind::release_some, "release_some", {.slot = true, .count = true}, true, {}},
    {OpKind::cache_create, "cache_create", {.cache = true, .size = true, .count = true, .align = true}, false, OpKind::cache_destroy},
    {OpKind::cache_destroy, "cache_destroy", {.cache = true}, false, {}},
    {OpKind::cache_alloc, "cache_alloc", {.slot = true, .cache = true, .gfp = true}, true, OpKind::release},
    {OpKind::cache_bulk, "cache_bulk", {.slot = true, .cache = true, .gfp = true, .count = true}, true, OpKind::release_bulk},
    {OpKind::shrink, "shrink", {.cache = true}, false, {}},
    {OpKind::flush, "flush", {.cache = true, .count = true}, true, {}},
    {OpKind::tune, "tune", {.cache = true, .size = true, .count = true}, false, {}},
    {OpKind::validate, "validate", {.cache = true}, false, {}},
    {OpKind::advance, "advance", {.size = true}, false, {}},
    {OpKind::pages, "pages", {.slot = true, .gfp = true, .count = true}, true, OpKind::release},
    {OpKind::pages_bulk, "pages_bulk", {.slot = true, .gfp = true, .count = true}, true, OpKind::release},
    {OpKind::pages_exact, "pages_exact", {.slot = true, .gfp = true, .size = true}, true, OpKind::release},
    {OpKind::pages_fill, "pages_fill", {.slot = true, .gfp = true, .count = true}, true, OpKind::release},
    {OpKind::hold, "hold", {.slot = true}, true, OpKind::drop},
    {OpKind::drop, "drop", {.slot = true}, true, {}},
    {OpKind::local_drain, "local_drain", {}, true, {}},
    {OpKind::unreserve, "unreserve", {.count = true}, true, {}},
    {OpKind::area, "area", {.slot = true, .size = true, .count = true, .align = true}, true, OpKind::release},
    {OpKind::area_huge, "area_huge", {.slot = true, .gfp = true, .size = true}, true, OpKind::release},
    {OpKind::chunk, "chunk", {.slot = true}, true, OpKind::release},
    {OpKind::map, "map", {.slot = true, .size = true, .count = true}, true, OpKind::release},
    {OpKind::map_huge, "map_huge", {.slot = true, .size = true, .count = true}, true, OpKind::release},
    {OpKind::map_ram, "map_ram", {.slot = true, .count = true}, true, OpKind::release},
    {OpKind::map_local, "map_local", {.count = true}, true, OpKind::unmap_local},
    {OpKind::unmap_local, "unmap_local", {}, true, {}},
    {OpKind::leave, "leave", {}, true, OpKind::enter},
    {OpKind::enter, "enter", {}, true, {}},
    {OpKind::purge, "purge", {}, true, {}},
    {OpKind::flush_range, "flush_range", {.size = true, .count = true}, true, {}},
    {OpKind::touch, "touch", {.slot = true, .size = true}, true, {}},
    {OpKind::fork, "fork", {.slot = true}, true, OpKind::release},
    {OpKind::run, "run", {.slot = true, .size = true}, true, {}},
    {OpKind::reach, "reach", {.slot = true, .size = true}, true, {}},
    {OpKind::populate, "populate", {.slot = true}, true, {}},
    {OpKind::look, "look", {.slot = true}, true, OpKind::forget},
    {OpKind::forget, "forget", {.slot = true}, true, {}},
    {OpKind::grace, "grace", {}, true, {}},
    {OpKind::offline, "offline", {}, false, {}},
    {OpKind::drain, "drain", {}, false, {}},
    {OpKind::fail, "fail", {.size = true, .count = true}, false, {}},
    {OpKind::walk, "walk", {.cache = true, .count = true}, false, {}},
    {OpKind::misuse_overwrite, "misuse_overwrite", {.slot = true, .count = true}, false, {}},
    {OpKind::misuse_use_freed, "misuse_use_freed", {.slot = true, .count = true}, false, {}},
    {OpKind::misuse_twice, "misuse_twice", {.slot = true}, false, {}},
    {OpKind::misuse_inside, "misuse_inside", {.slot = true, .count = true}, false, {}},
    {OpKind::misuse_foreign, "misuse_foreign", {.count = true}, false, {}},
    {OpKind::misuse_cache, "misuse_cache", {.slot = true, .cache = true}, false, {}},
    {OpKind::misuse_order, "misuse_order", {.slot = true, .count = true}, false, {}},
    {OpKind::damage, "damage", {.slot = true, .size = true, .count = true}, false, {}},
}};
// clang-format on

[[nodiscard]] constexpr const OpInfo& info_of(OpKind kind) {
    return op_infos[static_cast<std::size_t>(kind)];
}
static_assert([] {
    for (std::size_t i = 0; i < op_kind_count; ++i) {
        if (static_cast<std::size_t>(op_infos[i].kind) != i) return false;
    }
    return true;
}());

inline constexpr std::size_t slot_count = 64;
inline constexpr std::size_t cache_count = 8;
/// The cache that an operation names: by `slot`, or by `align` where a slot is named as well.
[[nodiscard]] constexpr std::uint8_t cache_of(const Operation& op) {
    return (info_of(op.kind).fields.slot ? op.align : op.slot) % cache_count;
}

/// Bytes that an operation asks for. The highest sizes stand for those at which arithmetic wraps (G6).
[[nodiscard]] constexpr std::size_t size_of(const Operation& op) {
    return op.size < 0xffff0000 ? op.size : ~std::size_t{0} - (0xffffffff - op.size);
}

/// Kinds of operations, as a bit map: what a target can do, and what a program may be made of (swarm).
using OpSet = std::uint64_t;
static_assert(op_kind_count <= 64);
[[nodiscard]] constexpr OpSet bit(OpKind kind) {
    return OpSet{1} << static_cast<unsigned>(kind);
}
template <class... Kinds>
[[nodiscard]] constexpr OpSet op_set(Kinds... kinds) {
    return (bit(kinds) | ...);
}

struct GfpChoice {
    std::string_view name;
    Gfp gfp;
};
inline constexpr std::array<GfpChoice, 16> gfp_choices{{
    {"kernel", GFP_KERNEL},
    {"kernel|zero", GFP_KERNEL | __GFP_ZERO},
    {"atomic", GFP_ATOMIC},
    {"nowait", GFP_NOWAIT},
    {"atomic|zero", GFP_ATOMIC | __GFP_ZERO},
    {"reclaimable", GFP_KERNEL | __GFP_RECLAIMABLE},
    {"movable", GFP_HIGHUSER_MOVABLE},
    {"dma", GFP_KERNEL | GFP_DMA},
    {"dma32", GFP_KERNEL | GFP_DMA32},
    {"highuser", GFP_HIGHUSER},
    {"nofail", GFP_KERNEL | __GFP_NOFAIL},
    {"noretry", GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN},
    {"comp", GFP_KERNEL | __GFP_COMP},
    {"comp|zero", GFP_KERNEL | __GFP_COMP | __GFP_ZERO},
    {"account", GFP_KERNEL_ACCOUNT},
    {"memalloc", GFP_ATOMIC | __GFP_MEMALLOC},
}};
[[nodiscard]] constexpr const GfpChoice& gfp_of(const Operation& op) {
    return gfp_choices[op.gfp % gfp_choices.size()];
}

}  // namespace kmemlab::fuzz

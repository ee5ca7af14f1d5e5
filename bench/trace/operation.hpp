/// One operation of a recorded kernel, as a replay performs it: 16 bytes, trivially copyable, the form in
/// which it also lies in a packed file (packed.hpp).
///
///     byte 0        4         8           11     12         14    15
///     +--------+---------+-----------+------+-----------+-----+---------+
///     | object | amount  | gfp (24b) | kind | call site | cpu | align   |
///     +--------+---------+-----------+------+-----------+-----+---------+
///
/// `object` names the thing that the operation concerns. Each layer (objects, pages, areas) counts for
/// itself, from 0, and gives a freed number to the next allocation, the last freed first: so a replay
/// keeps what it was given in a plain array of Trace::slots(layer) elements, and an allocation always
/// finds its element empty. `amount` depends on the kind:
///
/// | kind              | layer   | amount                                                              |
/// |-------------------|---------|---------------------------------------------------------------------|
/// | kmalloc           | objects | bytes requested                                                     |
/// | kfree             | objects | bytes requested when it was allocated                               |
/// | kmem_cache_alloc  | objects | number of the cache                                                 |
/// | kmem_cache_free   | objects | number of the cache it was allocated from                           |
/// | page_alloc        | pages   | order, and the migrate type that the kernel chose << 8              |
/// | page_free         | pages   | order it was allocated with                                         |
/// | vmap_alloc        | areas   | pages, the guard page counted as the kernel counts it               |
/// | vmap_free         | areas   | pages it was allocated with; the area waits for a purge from now on |
/// | vmap_purge        | none    | areas purged at once                                                |
///
/// A free has the gfp of zero. Which free call the kernel used does not matter: a free is of the kind that
/// belongs to its allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "allocators/base/gfp.hpp"
#include "allocators/base/units.hpp"

namespace kmemlab::trace {

enum class Kind : std::uint8_t {
    kmalloc,
    kfree,
    kmem_cache_alloc,
    kmem_cache_free,
    page_alloc,
    page_free,
    vmap_alloc,
    vmap_free,
    vmap_purge,
};
inline constexpr unsigned kind_count = 9;

enum class Layer : std::uint8_t { objects, pages, areas };
inline constexpr unsigned layer_count = 3;

/// As the events are called: "kmalloc", "mm_page_alloc", ...; layers "objects", "pages", "areas".
[[nodiscard]] std::string_view to_string(Kind kind);
[[nodiscard]] std::string_view to_string(Layer layer);

/// The layer of an operation; vmap_purge belongs to `areas` and concerns no single one.
[[nodiscard]] constexpr Layer layer_of(Kind kind) {
    if (kind <= Kind::kmem_cache_free) return Layer::objects;
    return kind <= Kind::page_free ? Layer::pages : Layer::areas;
}
[[nodiscard]] constexpr bool is_allocation(Kind kind) {
    return kind == Kind::kmalloc || kind == Kind::kmem_cache_alloc || kind == Kind::page_alloc ||
           kind == Kind::vmap_alloc;
}
[[nodiscard]] constexpr bool is_free(Kind kind) {
    return !is_allocation(kind) && kind != Kind::vmap_purge;
}
/// The free that ends what an allocation of `kind` began.
[[nodiscard]] constexpr Kind free_of(Kind kind) {
    return static_cast<Kind>(static_cast<std::uint8_t>(kind) + 1);
}

class Operation {
  public:
    static constexpr std::uint32_t no_object = 0xffffffff;
    static constexpr std::uint32_t gfp_mask = 0x00ffffff;
    /// Call sites above this number share it: a recording has a few hundred.
    static constexpr std::uint16_t last_call_site = 0xffff;

    constexpr Operation() = default;
    constexpr Operation(Kind kind, std::uint32_t object, std::uint32_t amount, Gfp gfp, CpuId cpu,
                        std::uint16_t call_site, std::uint8_t align = 0)
        : object_{object},
          amount_{amount},
          gfp_and_kind_{(gfp.bits() & gfp_mask) | std::uint32_t{static_cast<std::uint8_t>(kind)} << 24},
          call_site_{call_site},
          cpu_{static_cast<std::uint8_t>(cpu.value())},
          align_{align} {}

    [[nodiscard]] constexpr Kind kind() const { return static_cast<Kind>(gfp_and_kind_ >> 24); }
    /// Below Trace::slots(layer_of(kind())); no_object for a purge.
    [[nodiscard]] constexpr std::uint32_t object() const { return object_; }
    [[nodiscard]] constexpr std::uint32_t amount() const { return amount_; }
    [[nodiscard]] constexpr std::size_t bytes() const { return amount_; }
    [[nodiscard]] constexpr std::uint32_t cache() const { return amount_; }
    [[nodiscard]] constexpr Order order() const { return Order{amount_ & 0xff}; }
    /// The kernel's number: 0 unmovable, 1 movable, 2 reclaimable (since Linux 3.19), others as they were.
    [[nodiscard]] constexpr unsigned migrate_type() const { return amount_ >> 8; }
    [[nodiscard]] constexpr std::uint64_t pages() const { return amount_; }
    [[nodiscard]] constexpr Gfp gfp() const { return Gfp{gfp_and_kind_ & gfp_mask}; }
    [[nodiscard]] constexpr CpuId cpu() const { return CpuId{cpu_}; }
    /// Index into Trace::call_sites; 0 is the empty name, for events that carry none.
    [[nodiscard]] constexpr std::uint16_t call_site() const { return call_site_; }
    /// Of an area: aligned to page_size << this.
    [[nodiscard]] constexpr unsigned align_order() const { return align_; }

    friend constexpr bool operator==(const Operation&, const Operation&) = default;

  private:
    std::uint32_t object_ = no_object;
    std::uint32_t amount_ = 0;
    std::uint32_t gfp_and_kind_ = 0;
    std::uint16_t call_site_ = 0;
    std::uint8_t cpu_ = 0;
    std::uint8_t align_ = 0;
};
static_assert(sizeof(Operation) == 16 && std::is_trivially_copyable_v<Operation>);

}  // namespace kmemlab::trace

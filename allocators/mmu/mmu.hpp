/// Mmu: who makes page frames appear at virtual addresses. Two models: HostMmu asks the kernel below us for
/// real mappings of the arena's memory; SoftMmu keeps a page table and plays a TLB per CPU.
///
// clang-format off
/// | expression               | result             | meaning, failure                                           |
/// |--------------------------|--------------------|------------------------------------------------------------|
/// | m.map(at, frames, cpu)   | bool               | frames[i] appears at page i behind `at`, as 4 KiB pages.   |
/// |                          |                    | Nothing may be mapped there. false: no memory for tables,  |
/// |                          |                    | or no mapping left; then nothing of it is mapped (V10) and |
/// |                          |                    | stats() tells why.                                         |
/// | m.map_huge(at, first,    | bool               | one leaf of 2 MiB (order 9) or 1 GiB (order 18), where     |
/// |            order, cpu)   |                    | address and pfn are so aligned (VM-54). false: as above.   |
/// | m.unmap(at, pages, cpu)  | void               | the translations go, but CPUs may still know them until    |
/// |                          |                    | flush: the range is lazy (VM-30). Pages that are not       |
/// |                          |                    | mapped are passed over; a huge leaf must lie inside whole. |
/// | m.flush(begin, end, cpu) | void               | no CPU knows a translation of [begin, end) that is gone.   |
/// |                          |                    | More than flush_ceiling_pages: everything goes (VM-36).    |
/// | m.frame_of(at)           | std::optional<Pfn> | what is mapped at an address (vmalloc_to_page); no CPU,    |
/// |                          |                    | no TLB and no count is involved                            |
/// | m.read(at, into, cpu)    | bool               | bytes through the translations that `cpu` uses. false: one |
/// | m.write(at, from, cpu)   |                    | page has none, a page fault; pages before it are done.     |
/// | m.touch(at, cpu)         | bool               | one load, whose value nobody looks at                      |
/// | m.window()               | AddressRange       | where map may be asked to map                              |
/// | m.stats()                | MmuStats           | see there; counts are exact                                |
/// | m.find_violation()       | MaybeViolation     | recounts everything; the first broken law of V5, V7, V14   |
/// |                          |                    | by its number, or nothing. Nobody else may be inside.      |
// clang-format on
///
/// Lazy addresses are not to be used: a read there may still succeed, as in a kernel. They may be mapped
/// again after a flush only. All calls but find_violation may be made from several threads at once.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "allocators/base/check.hpp"
#include "allocators/base/units.hpp"

namespace kmemlab {

/// A virtual address. Differences and sums are in bytes; what is in pages says so.
class VirtAddr {
  public:
    constexpr VirtAddr() = default;
    constexpr explicit VirtAddr(std::uint64_t address) : address_{address} {}

    [[nodiscard]] constexpr std::uint64_t value() const { return address_; }
    /// The number of the page that the address lies in.
    [[nodiscard]] constexpr std::uint64_t page() const { return address_ >> page_shift; }
    [[nodiscard]] static constexpr VirtAddr of_page(std::uint64_t page) {
        return VirtAddr{page << page_shift};
    }
    [[nodiscard]] constexpr VirtAddr plus_pages(std::uint64_t pages) const {
        return VirtAddr{address_ + (pages << page_shift)};
    }
    /// Bytes behind the begin of its page.
    [[nodiscard]] constexpr std::size_t offset() const { return address_ & (page_size - 1); }
    [[nodiscard]] constexpr bool is_aligned(Order order) const {
        return (address_ & (order.bytes() - 1)) == 0;
    }
    [[nodiscard]] constexpr VirtAddr align_down(Order order) const {
        return VirtAddr{address_ & ~(order.bytes() - 1)};
    }

    friend constexpr VirtAddr operator+(VirtAddr at, std::uint64_t bytes) {
        return VirtAddr{at.address_ + bytes};
    }
    friend constexpr std::uint64_t operator-(VirtAddr to, VirtAddr from) {
        return to.address_ - from.address_;
    }
    friend constexpr auto operator<=>(VirtAddr, VirtAddr) = default;

  private:
    std::uint64_t address_ = 0;
};

/// [begin, end).
struct AddressRange {
    VirtAddr begin;
    VirtAddr end;

    [[nodiscard]] constexpr std::uint64_t pages() const { return (end - begin) >> page_shift; }
    [[nodiscard]] constexpr bool contains(VirtAddr at) const { return at >= begin && at < end; }
    friend constexpr bool operator==(AddressRange, AddressRange) = default;
};

inline constexpr Order order_2m{9};
inline constexpr Order order_1g{18};

/// Linux 6.1 on x86: a range flush of more pages than this flushes everything (VM-36).
inline constexpr std::uint64_t flush_ceiling_pages = 33;

struct MmuStats {
    std::uint64_t mapped_pages = 0;   ///< 4 KiB each, now
    std::uint64_t huge_leaves = 0;    ///< mapped by map_huge, now
    std::uint64_t table_pages = 0;    ///< soft: page-table pages, now
    std::uint64_t mappings = 0;       ///< host: mappings of the process that the window is made of, now
    std::uint64_t mapping_limit = 0;  ///< host: `mappings` never gets above

    std::uint64_t flushes = 0;       ///< calls of flush that had a range
    std::uint64_t full_flushes = 0;  ///< of these: above the ceiling
    std::uint64_t ipis = 0;          ///< soft: other CPUs interrupted for a flush
    std::uint64_t map_calls = 0;     ///< host: system calls that map
    std::uint64_t unmap_calls = 0;   ///< host: system calls that unmap

    std::uint64_t refused_for_tables = 0;  ///< soft: maps that failed for want of a table page
    std::uint64_t refused_for_limit = 0;   ///< host: maps that would have passed mapping_limit
    std::uint64_t refused_by_kernel = 0;   ///< host: maps that the kernel refused all the same
};

template <class M>
concept Mmu = requires(M& m, const M& c, VirtAddr at, std::span<const Pfn> frames, Pfn pfn, Order order,
                       std::uint64_t pages, std::span<std::byte> into, std::span<const std::byte> from,
                       CpuId cpu) {
    { m.map(at, frames, cpu) } -> std::same_as<bool>;
    { m.map_huge(at, pfn, order, cpu) } -> std::same_as<bool>;
    { m.unmap(at, pages, cpu) } -> std::same_as<void>;
    { m.flush(at, at, cpu) } -> std::same_as<void>;
    { c.frame_of(at) } -> std::same_as<std::optional<Pfn>>;
    { m.read(at, into, cpu) } -> std::same_as<bool>;
    { m.write(at, from, cpu) } -> std::same_as<bool>;
    { m.touch(at, cpu) } -> std::same_as<bool>;
    { M::maps_by_runs } -> std::convertible_to<bool>;  // whether a run of frames costs as much as one frame
    { c.window() } -> std::same_as<AddressRange>;
    { c.stats() } -> std::same_as<MmuStats>;
    { c.find_violation() } -> std::same_as<MaybeViolation>;
};

}  // namespace kmemlab

/// A page table as x86-64 has it, in memory of its own or in page frames of a source.
///
///     address   [ sign | 5: 48-56 | 4: 39-47 | 3: 30-38 | 2: 21-29 | 1: 12-20 | offset ]
///     level 5 (if any), 4     entries point to tables
///     level 3, 2              entries point to tables, or are leaves of 1 GiB, 2 MiB
///     level 1                 entries are leaves of 4 KiB
///
/// A table is 512 entries in one page. Tables stay when they become empty, as Linux 6.1 keeps those of the
/// vmalloc window; only a huge leaf takes the place of an empty table, which is then detached, and freed
/// after a flush (V14). Laws: V5, V14; SoftMmu checks them. The caller holds whatever lock guards the table.
///
/// Differences from x86: an entry holds the address of the next table in our process, no frame number, and
/// neither protection nor accessed and dirty bits.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "allocators/machine/page_source.hpp"
#include "allocators/mmu/mmu.hpp"

namespace kmemlab {

inline constexpr unsigned table_bits = 9;
inline constexpr unsigned table_entries = 1U << table_bits;
inline constexpr unsigned largest_leaf_level = 3;

/// Pages below one entry of a level (1: 4 KiB).
[[nodiscard]] constexpr Order order_of_level(unsigned level) {
    return Order{table_bits * (level - 1)};
}

struct Table;

/// One entry: nothing, a leaf, or the next table.
///
///     leaf    [ pfn << 12                   | level << 2 | 1 << 1 | present ]
///     table   [ address, a multiple of 4096 |                     | present ]
class Pte {
  public:
    constexpr Pte() = default;
    [[nodiscard]] static constexpr Pte leaf(Pfn pfn, unsigned level) {
        return Pte{pfn.value() << page_shift | level << 2 | leaf_bit | present_bit};
    }
    [[nodiscard]] static Pte pointer(Table* table) {
        return Pte{reinterpret_cast<std::uintptr_t>(table) | present_bit};
    }

    [[nodiscard]] constexpr bool present() const { return (bits_ & present_bit) != 0; }
    [[nodiscard]] constexpr bool is_leaf() const { return (bits_ & leaf_bit) != 0; }
    /// Of a leaf: 1, 2 or 3.
    [[nodiscard]] constexpr unsigned level() const { return (bits_ >> 2) & 3; }
    /// Of a leaf: its first frame.
    [[nodiscard]] constexpr Pfn first_frame() const { return Pfn{bits_ >> page_shift}; }
    /// Of a leaf: the frame at an address that it maps.
    [[nodiscard]] constexpr Pfn frame_at(VirtAddr at) const {
        return first_frame() + (at.page() & (order_of_level(level()).pages() - 1));
    }
    /// Of an entry that points to a table.
    [[nodiscard]] Table* table() const {
        return reinterpret_cast<Table*>(bits_ & ~std::uint64_t{page_size - 1});
    }
    friend constexpr bool operator==(Pte, Pte) = default;

  private:
    static constexpr std::uint64_t present_bit = 1;
    static constexpr std::uint64_t leaf_bit = 2;
    constexpr explicit Pte(std::uint64_t bits) : bits_{bits} {}
    std::uint64_t bits_ = 0;
};

struct alignas(page_size) Table {
    std::array<Pte, table_entries> entries;

    /// The entry of this table, which is of `level`, for an address.
    [[nodiscard]] Pte& at(VirtAddr address, unsigned level) {
        return entries[(address.page() >> (table_bits * (level - 1))) % table_entries];
    }
    [[nodiscard]] const Pte& at(VirtAddr address, unsigned level) const {
        return const_cast<Table*>(this)->at(address, level);
    }
};
static_assert(sizeof(Table) == page_size);

/// What unmapping removed.
struct Cleared {
    std::uint64_t pages = 0;
    std::uint64_t huge_leaves = 0;
};

class PageTable {
  public:
    /// `levels`: 4 or 5. Tables come from `source`, or without one from the C++ heap. Throws UsageError for
    /// other levels, or if there is no page for the root.
    PageTable(unsigned levels, std::optional<PageSourceRef> source);
    ~PageTable();
    PageTable(const PageTable&) = delete;
    PageTable& operator=(const PageTable&) = delete;

    /// Sets leaves of 4 KiB. false: no page for a table; then no leaf is set, tables made so far stay (V10).
    [[nodiscard]] bool map(VirtAddr at, std::span<const Pfn> frames, CpuId cpu);
    /// The entry of `level` for an address; tables on the way are made. nullptr: no page for one.
    [[nodiscard]] Pte* make_entry(VirtAddr at, unsigned level, CpuId cpu);
    /// Clears all leaves of the range; a huge one must lie in it whole.
    Cleared clear(VirtAddr at, std::uint64_t pages);
    /// The leaf that maps an address; nullptr: none.
    [[nodiscard]] const Pte* find_leaf(VirtAddr at) const;

    /// Has a table, and those below it, no leaf?
    [[nodiscard]] static bool is_empty(const Table& table);
    /// Frees a table that no entry points to any more, and those below it.
    void release(Table* table, CpuId cpu);

    [[nodiscard]] unsigned levels() const { return levels_; }
    [[nodiscard]] const Table& root() const { return *root_; }
    [[nodiscard]] std::uint64_t table_pages() const { return table_pages_; }
    /// The frame that a table lies in; nothing if tables come from the heap.
    [[nodiscard]] std::optional<Pfn> frame_of_table(const Table& table) const;

    using VisitTable = std::function<void(const Table&)>;
    using VisitLeaf = std::function<void(VirtAddr at, unsigned level, Pte)>;
    /// Visits every table, and every leaf with its address and the level where it stands, ascending.
    void walk(const VisitTable& on_table, const VisitLeaf& on_leaf) const;

    struct Inside;  ///< for tests that break it

  private:
    [[nodiscard]] Table* take_table(CpuId cpu);
    Cleared clear_in(Table& table, unsigned level, std::uint64_t page, std::uint64_t end);
    void walk_in(const Table& table, unsigned level, std::uint64_t page, const VisitTable& on_table,
                 const VisitLeaf& on_leaf) const;

    unsigned levels_;
    mutable std::optional<PageSourceRef> source_;
    std::uint64_t table_pages_ = 0;
    Table* root_;
};

}  // namespace kmemlab

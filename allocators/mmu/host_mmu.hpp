/// HostMmu: real mappings. A window of our own address space (host_window.hpp) in which pieces of the arena's
/// memfd appear; the translations, faults, TLB misses and shootdowns are those of the machine.
///
///     window   [        | extent |        | extent | extent |  ... ]     each extent a mapping of the
///     process
///                           |                    |       lazy: unmapped for us, still mapped for the kernel
///                           below
///     memfd    [ frames ... ]                 [ frames ... ]
///
/// map: one system call for each run of adjacent frames. unmap: no call; the extents become lazy and can
/// still be read, as through a TLB that was not flushed. flush: one call clears a whole run of lazy extents,
/// what lies free between them included; the kernel below flushes the TLBs.
///
/// A process may have only so many mappings (vm.max_map_count). Those of the window are counted here, never
/// too low, and a map that could pass the limit is refused before it is tried. The limit leaves room for the
/// rest of the process: what it had when we began, and `spare_mappings` more. In a hole each extent is one,
/// and the sentinel; in kept address space also each stretch between extents.
///
/// claim and fill are for pages that a fault handler maps one by one: what needs the lock is done beforehand.
///
/// An arena without a file (Backing::private_mem) has nothing that could be mapped a second time. Each extent
/// is then new memory of its own, all zero: what is written there is in no frame, and goes with the extent.
/// For users who only reach a frame through its one mapping, that is no difference, and fork() gives a child
/// a copy of it, which of a memfd it does not.
///
/// map_huge is one mapping of an aligned run. Whether the kernel below uses a huge entry for it is its own
/// choice (/sys/kernel/mm/transparent_hugepage/shmem_enabled).
///
/// Laws checked: V4 (counts), V5 (extents: in the window, disjoint, of the arena). Lock: one, for the list of
/// extents and while a flush unmaps; mapping, which may fill memory, is done outside of it.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "allocators/machine/arena.hpp"
#include "allocators/mmu/host_window.hpp"
#include "allocators/mmu/mmu.hpp"

namespace kmemlab {

/// Mappings that the process may have (/proc/sys/vm/max_map_count), and has (/proc/self/maps).
[[nodiscard]] std::uint64_t max_process_mappings();
[[nodiscard]] std::uint64_t process_mappings();

struct HostMmuConfig {
    std::size_t window_bytes = std::size_t{1} << 36;  ///< rounded up to a multiple of 1 GiB
    bool populate = true;  ///< fill the page tables at once; otherwise each first use of a page is a fault
    /// Of mappings in the window; as many as the process may have without it: see spare_mappings.
    std::optional<std::uint64_t> mapping_limit{};
    HostWindow::Way way = HostWindow::Way::hole;  ///< if it is to be had
};

class HostMmu {
  public:
    static constexpr std::uint64_t spare_mappings = 1024;

    /// Throws UsageError if there is no address space, or no mapping left.
    explicit HostMmu(Arena& arena, const HostMmuConfig& config = {});

    // The concept Mmu.
    static constexpr bool maps_by_runs = true;  ///< each run of adjacent frames is a system call
    [[nodiscard]] bool map(VirtAddr at, std::span<const Pfn> frames, CpuId cpu);
    [[nodiscard]] bool map_huge(VirtAddr at, Pfn first, Order order, CpuId cpu);
    void unmap(VirtAddr at, std::uint64_t pages, CpuId cpu);
    void flush(VirtAddr begin, VirtAddr end, CpuId cpu);
    [[nodiscard]] std::optional<Pfn> frame_of(VirtAddr at) const;
    bool read(VirtAddr at, std::span<std::byte> into, CpuId cpu);
    bool write(VirtAddr at, std::span<const std::byte> from, CpuId cpu);
    bool touch(VirtAddr at, CpuId cpu);
    [[nodiscard]] AddressRange window() const { return window_.range(); }
    [[nodiscard]] HostWindow::Way way() const { return window_.way(); }
    [[nodiscard]] MmuStats stats() const;
    [[nodiscard]] MaybeViolation find_violation() const;

    /// Sets pages aside for fill(): each counts as a mapping from now on, and goes by unmap and flush as any.
    /// No frame is known there (frame_of). Nothing may be mapped there; false: no mapping left.
    [[nodiscard]] bool claim(VirtAddr at, std::uint64_t pages);
    /// Maps a frame at a claimed page: one system call, async-signal-safe. False: the kernel refused.
    [[nodiscard]] bool fill(VirtAddr at, Pfn frame) const;

    /// An address as a pointer, for those who use mapped memory as it is. Where nothing is mapped it faults.
    [[nodiscard]] static void* pointer(VirtAddr at) { return reinterpret_cast<void*>(at.value()); }

    struct Inside;  ///< for tests that break it

  private:
    struct Extent {
        std::uint64_t pages = 0;
        Pfn first;
        bool lazy = false;
        bool huge = false;
        bool claimed = false;  ///< one page, filled by somebody else; `first` means nothing
    };
    using Extents = std::map<std::uint64_t, Extent>;  ///< by their first page
    using Run = std::pair<std::uint64_t, Extent>;
    using Runs = std::span<const Run>;  ///< side by side, ascending
    using Lock = std::lock_guard<std::mutex>;

    [[nodiscard]] bool map_runs(Runs wanted);
    [[nodiscard]] bool reserve(Runs wanted);
    [[nodiscard]] bool map_extent(std::uint64_t page, const Extent& extent) const;
    /// Takes the runs back, of which `mapped` were mapped.
    void undo(Runs wanted, std::size_t mapped);
    /// Unmaps pages [page, end). false: the kernel refused.
    [[nodiscard]] bool clear(std::uint64_t page, std::uint64_t end);
    /// Cuts an extent at a page inside; returns the right part.
    Extents::iterator split(Extents::iterator found, std::uint64_t page);
    void drop_lazy(Extents::iterator first, Extents::iterator last);
    /// The first extent that begins at `page` or above.
    [[nodiscard]] Extents::iterator first_from(std::uint64_t page);
    /// The first extent that lies above `page` or contains it.
    [[nodiscard]] Extents::iterator first_behind(std::uint64_t page);
    [[nodiscard]] const Extent* find(VirtAddr at) const;
    /// Of the process, by the number of extents and of the stretches between them.
    [[nodiscard]] std::uint64_t mappings_of(std::uint64_t extents, std::uint64_t gaps) const;
    template <class Change>
    void change_extents(Extents::iterator first, Extents::iterator last, Change&& change);
    [[nodiscard]] bool is_mapped(VirtAddr at, std::size_t bytes) const;

    Arena& arena_;
    bool populate_;
    HostWindow window_;
    mutable std::mutex lock_;
    Extents extents_;
    Extents::iterator near_ = extents_.end();  ///< behind what was mapped last: most calls are about there
    MmuStats stats_;
};
static_assert(Mmu<HostMmu>);

}  // namespace kmemlab

/// SoftMmu: an MMU played in software. One page table, as the kernel's part of the address space, and for
/// each CPU the translation caches of a described CPU. What it counts is the same in every run and on every
/// machine.
///
///     map, unmap ----> PageTable <----- walk ----- Tlb of CPU 0 <---- read, write, touch on CPU 0
///                          |                       Tlb of CPU 1 <---- ...
///                        flush ---- IPI ---------------^
///
/// unmap leaves the TLBs alone. From then on until a flush the range is lazy: an entry there may be stale, as
/// Linux 6.1 allows (VM-30). A stale entry anywhere else breaks V7, and its use is remembered with address
/// and frame. Uses of stale entries are counted wherever they happen.
///
/// The table translates 48 or 57 bits of an address. Nothing is mapped outside of the window, so that an
/// address that is not canonical does not lead where its lower bits would.
///
/// A flush interrupts each other CPU that runs in the address space: one IPI. A CPU that has left it is not
/// interrupted; after any flush its TLB is empty when it comes back.
///
/// Table pages are accounted (V14, G8) and come from a page source or from the C++ heap.
/// Laws checked: V4 and V14 (recounted), V5 (leaves), V6 (no leaf maps a table's page), V7.
/// Lock: one, taken by every call. Counts are the same in every run if one thread plays all CPUs.
/// Differences from Linux: a huge leaf is not split (V12), and pages have no protection.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "allocators/machine/cpus.hpp"
#include "allocators/mmu/mmu.hpp"
#include "allocators/mmu/page_ranges.hpp"
#include "allocators/mmu/tlb.hpp"

namespace kmemlab {

/// Where Linux 6.1 puts vmalloc on x86-64 without randomisation: 32 TiB, or 12800 TiB with five levels
/// (VM-1).
[[nodiscard]] constexpr AddressRange vmalloc_window(unsigned levels) {
    constexpr std::uint64_t tib = std::uint64_t{1} << 40;
    const VirtAddr begin{levels == 5 ? 0xffa0000000000000U : 0xffffc90000000000U};
    return {begin, begin + (levels == 5 ? 12800 : 32) * tib};
}

struct SoftMmuConfig {
    unsigned cpus = 1;
    unsigned levels = 4;                   ///< 4 or 5
    std::optional<AddressRange> window{};  ///< vmalloc_window(levels)
    TlbGeometry tlb = known_tlb("intel-skylake-server");
};

/// A use of a translation that the page table no longer had, at an address that was not lazy.
struct StaleUse {
    VirtAddr at;
    CpuId cpu;
    Pfn used;
};

class SoftMmu {
  public:
    /// Frames are those of `arena`. Without `tables`, tables come from the C++ heap. Throws UsageError for a
    /// configuration that cannot be.
    explicit SoftMmu(Arena& arena, const SoftMmuConfig& config = {},
                     std::optional<PageSourceRef> tables = {});

    // The concept Mmu.
    static constexpr bool maps_by_runs = false;  ///< each page is an entry of its own
    [[nodiscard]] bool map(VirtAddr at, std::span<const Pfn> frames, CpuId cpu);
    [[nodiscard]] bool map_huge(VirtAddr at, Pfn first, Order order, CpuId cpu);
    void unmap(VirtAddr at, std::uint64_t pages, CpuId cpu);
    void flush(VirtAddr begin, VirtAddr end, CpuId cpu);
    [[nodiscard]] std::optional<Pfn> frame_of(VirtAddr at) const;
    bool read(VirtAddr at, std::span<std::byte> into, CpuId cpu);
    bool write(VirtAddr at, std::span<const std::byte> from, CpuId cpu);
    bool touch(VirtAddr at, CpuId cpu) { return translate(at, cpu).has_value(); }
    [[nodiscard]] AddressRange window() const { return window_; }
    [[nodiscard]] MmuStats stats() const;
    [[nodiscard]] MaybeViolation find_violation() const;

    /// The frame that `cpu` finds at an address, through its TLB; nothing: a page fault.
    [[nodiscard]] std::optional<Pfn> translate(VirtAddr at, CpuId cpu);
    /// `cpu` alone forgets the page at an address that no other CPU ever used: no IPI (INVLPG).
    void flush_local(VirtAddr at, CpuId cpu);
    /// From now on `cpu` does not run in this address space. All do at first.
    void leave(CpuId cpu);
    void enter(CpuId cpu);

    /// Of one CPU, and of all.
    [[nodiscard]] TlbCounts tlb_counts(CpuId cpu) const;
    [[nodiscard]] TlbCounts tlb_counts() const;
    /// The first use of a stale translation that breaks V7.
    [[nodiscard]] std::optional<StaleUse> broken_use() const;
    [[nodiscard]] std::size_t metadata_bytes() const;

    struct Inside;  ///< for tests that break it

  private:
    struct Cpu {
        Tlb tlb;
        bool inside = true;
    };
    class Audit;
    using Lock = std::lock_guard<SpinLock>;

    void flush_locked(AddressRange range, CpuId cpu);
    [[nodiscard]] Cpu& cpu_at(CpuId cpu) { return cpus_[cpu.value()]; }

    Arena& arena_;
    AddressRange window_;
    mutable SpinLock lock_;
    PageTable table_;
    std::vector<Cpu> cpus_;
    PageRanges lazy_;  ///< unmapped and not flushed
    MmuStats stats_;
    std::optional<StaleUse> broken_use_;
};
static_assert(Mmu<SoftMmu>);

}  // namespace kmemlab

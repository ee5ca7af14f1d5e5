/// vmalloc: memory that is contiguous by address only, made of single page frames.
///
///     address   |page 0|page 1|page 2|guard|        an area of the address space (vmap_space.hpp)
///                  |      |      |                  translations (mmu/mmu.hpp)
///     frames      #71    #12    #40                 order 0 each, from any page source
///
///     vmalloc      area, array of frames, frames, mapping
///     vfree        unmapped, the area waits lazily, the frames go back
///     vmap         area and mapping of somebody's frames
///     vm_map_ram   the same, up to 64 pages from a block that the CPU keeps
///
/// Follows Linux 6.1 (VM-1..56, 65), by its configuration with the vmap nodes of 6.9 (VM-90..95). Laws:
/// V1..V6, V9, V10, V12, V15; V7 and V14 are the MMU's. Differences:
///  - A mapping that the MMU refuses is tried once more after a purge: what waits holds mappings of the host.
///  - The array of frames is a table of ours. Beyond 512 pages an area of its own holds its place in the
///    address space, and pages for it are taken (VM-51); up to there no object allocator is asked.
///  - Nothing is put off: vfree in interrupts does not exist, a purge that is due happens in the call.
///  - Frames have the order in which they came, as in Linux (VM-52), but on an MMU that maps by runs of
///    adjacent frames they are sorted: a run is a system call there, whatever its length.
///  - A huge area's frames go back as blocks of 2 MiB; Linux splits them at once and frees single pages.
///  - One NUMA node, no protection but read and write. Per-CPU areas (VM-60): congruent_areas.hpp.
/// What a caller may not give back is reported and left as it was: wrong_cache is another call's, wrong_order
/// has another number of pages. Free areas are joined, and where one began is forgotten, so that what is
/// given back twice is a foreign_pointer; only a block of vm_map_ram can tell that it is a double_free.
/// Threads: all calls at once on different CPUs; drain and find_violation need everybody else outside.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allocators/base/allocator_types.hpp"
#include "allocators/base/misuse.hpp"
#include "allocators/base/tunable.hpp"
#include "allocators/machine/page_source.hpp"
#include "allocators/mmu/mmu.hpp"
#include "allocators/objects/cpu_work.hpp"
#include "allocators/vmalloc/vmap_blocks.hpp"
#include "allocators/vmalloc/vmap_space.hpp"

namespace kmemlab {

struct VmallocConfig {
    std::uint64_t lazy_max_pages = 0;  ///< pages that wait before a purge; 0: by the number of CPUs (VM-31)
    bool lazy = true;                  ///< off: each vfree purges
    bool huge = true;                  ///< vmalloc_huge tries mappings of 2 MiB
    unsigned most_nodes = 1;           ///< vmap nodes, one per CPU up to so many; 1: none, as Linux 6.1

    [[nodiscard]] std::vector<Tunable> tunables();
};

template <class Cpus, Mmu M>
class Vmalloc {
  public:
    /// Takes no page. All references must outlive it; nobody else may map in the window of `mmu`.
    Vmalloc(PageSourceRef pages, M& mmu, Cpus& cpus, const VmallocConfig& config, MisuseLog& misuse);
    ~Vmalloc();
    Vmalloc(const Vmalloc&) = delete;
    Vmalloc& operator=(const Vmalloc&) = delete;

    // --- The kernel's interface; sizes in bytes. Nothing: no memory, no addresses, or a size of 0 ---
    [[nodiscard]] std::optional<VirtAddr> vmalloc(std::size_t size, CpuId cpu) {
        return vmalloc_range(size, page_size, GFP_KERNEL, false, cpu);
    }
    [[nodiscard]] std::optional<VirtAddr> vzalloc(std::size_t size, CpuId cpu) {
        return vmalloc_range(size, page_size, GFP_KERNEL | __GFP_ZERO, false, cpu);
    }
    /// By leaves of 2 MiB where it can (VM-50, 53).
    [[nodiscard]] std::optional<VirtAddr> vmalloc_huge(std::size_t size, Gfp gfp, CpuId cpu) {
        return vmalloc_range(size, page_size, gfp, true, cpu);
    }
    /// The general form (__vmalloc_node_range): `align` is a power of two.
    [[nodiscard]] std::optional<VirtAddr> vmalloc_range(std::size_t size, std::size_t align, Gfp gfp,
                                                        bool may_be_huge, CpuId cpu);
    void vfree(VirtAddr at, CpuId cpu);
    /// Maps frames of the caller's, which stay his (VM-55).
    [[nodiscard]] std::optional<VirtAddr> vmap(std::span<const Pfn> frames, CpuId cpu);
    void vunmap(VirtAddr at, CpuId cpu);
    [[nodiscard]] std::optional<Pfn> vmalloc_to_page(VirtAddr at) const { return mmu_.frame_of(at); }
    /// Maps frames for a short time; to be unmapped with the same count (VM-40).
    [[nodiscard]] std::optional<VirtAddr> vm_map_ram(std::span<const Pfn> frames, CpuId cpu);
    void vm_unmap_ram(VirtAddr at, std::uint64_t pages, CpuId cpu);
    /// No CPU knows a translation that is gone, when this returns (VM-34).
    void vm_unmap_aliases(CpuId cpu);

    /// Bytes that may be used from an address that vmalloc or vmap gave; 0 for another.
    [[nodiscard]] std::size_t usable_size(VirtAddr at, CpuId cpu) const;
    [[nodiscard]] AllocatorStats stats() const;
    [[nodiscard]] Path last_path(CpuId cpu) { return std::exchange(works_[cpu].path, Path::fast); }
    /// Purges; afterwards nothing is lazy or pooled.
    void drain(CpuId cpu) {
        vm_unmap_aliases(cpu);
        space_.drain_pools(cpu);
    }
    [[nodiscard]] MaybeViolation find_violation() const;
    /// /proc/vmallocinfo (VM-65), without callers; the window is shown where x86-64 has it (VM-1), so that
    /// the text is the same in every run.
    [[nodiscard]] std::string vmallocinfo() const;

    /// Pages that vmalloc got, 4 KiB each (VM-54, VmallocUsed).
    [[nodiscard]] std::uint64_t nr_vmalloc_pages() const {
        return nr_vmalloc_pages_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] const VmapSpace<Cpus>& space() const { return space_; }
    [[nodiscard]] const VmapBlocks<Cpus>& blocks() const { return blocks_; }

    struct Inside;  ///< for tests that break it

  private:
    enum class Kind : std::uint8_t { vmalloc, vmap, ram };
    /// What lies in a busy area (vm_struct); the area's owner.
    struct VmStruct {
        VmapArea* area = nullptr;
        Kind kind = Kind::vmalloc;
        std::vector<Pfn> frames;
        VmStruct* table = nullptr;  ///< of the array of frames, if it is large (VM-51)
        bool huge = false;          ///< mapped by leaves of 2 MiB
    };

    /// nullptr: no addresses, pages or mappings; nothing is left of it.
    [[nodiscard]] VmStruct* try_range(std::size_t size, std::size_t align, Gfp gfp, bool huge, CpuId cpu);
    /// An area for `bytes` and a guard, with its vm_struct; nullptr: no addresses.
    [[nodiscard]] VmStruct* make(Kind kind, std::size_t bytes, std::size_t align, CpuId cpu);
    [[nodiscard]] bool fill(VmStruct& vm, std::size_t bytes, Gfp gfp, CpuId cpu);
    [[nodiscard]] bool take_frames(VmStruct& vm, std::uint64_t pages, Gfp gfp, CpuId cpu);
    [[nodiscard]] bool map(const VmStruct& vm, CpuId cpu);
    [[nodiscard]] bool map_once(const VmStruct& vm, CpuId cpu);
    [[nodiscard]] std::optional<VirtAddr> map_frames(Kind kind, std::span<const Pfn> frames, CpuId cpu);
    /// The vm_struct of what begins at `at`; nullptr, and a report, if there is none of that kind.
    [[nodiscard]] VmStruct* expect(Kind kind, VirtAddr at, const char* what, CpuId cpu);
    /// That the call `what` was passed an address that it cannot take.
    void report(MisuseKind kind, const char* what, VirtAddr at);
    /// Unmaps; the area goes lazy; then what is owned goes back (VM-30). True: it came to a purge.
    bool dissolve(VmStruct* vm, CpuId cpu);
    void purge_if(bool due, CpuId cpu);
    [[nodiscard]] MaybeViolation find_mismatch(const VmapArea& area, const VmStruct& vm) const;

    PageSourceRef source_;
    M& mmu_;
    MisuseLog& log_;
    VmallocConfig config_;
    VmapSpace<Cpus> space_;
    VmapBlocks<Cpus> blocks_;
    PerCpu<CpuWork> works_;
    std::atomic<std::uint64_t> nr_vmalloc_pages_{0};
};

}  // namespace kmemlab

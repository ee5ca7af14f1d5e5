/// kmap: how a kernel of 32 bits reaches memory that it has not mapped for good.
///
///     window   [ low memory, frame by frame | slots of kmap | ...      ... | kmap_local: CPU 1 | CPU 0 ]
///              begin                         0 1 2 3 ...                      indices grow downwards
///     frames   [ low memory                 | high memory                 ]
///
///     kmap         any CPU, until kunmap; a page has one slot, however many use it. A slot that nobody uses
///                  keeps its page until the search for free slots comes round: one flush for all of them
///     kmap_local   one CPU, for the task that runs there, nested like a stack
///
/// Follows Linux 6.1 (VM-80..83). Differences:
///  - Who would sleep, because all slots are in use, gets nothing and may ask again.
///  - A task is what runs on a CPU: switch_out and switch_in are its switches, KmapTask what it has mapped.
///  - The slots follow low memory at once; in Linux vmalloc lies between. No colours.
/// Laws: V4 (slots in use recounted), V5 (a slot in use is mapped to its page, another is not), V6 (a page
/// has one slot).
/// Locks: one for the slots. kmap_local belongs to whoever runs on the CPU, as do the tasks. find_violation
/// needs everybody outside.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "allocators/base/misuse.hpp"
#include "allocators/machine/arena.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/mmu/mmu.hpp"

namespace kmemlab {

/// Where i386 has its kernel: low memory begins here, and fixed mappings end below the last page.
inline constexpr AddressRange window_of_32_bit{VirtAddr{0xc0000000}, VirtAddr{0xfffff000}};

struct KmapConfig {
    std::uint64_t low_pages = (std::uint64_t{896} << 20) >> page_shift;  ///< frames mapped for good
    unsigned slots = 1024;  ///< of kmap, a power of two; 512 with PAE and on ARM (VM-80)
    bool debug = false;     ///< DEBUG_KMAP_LOCAL: a page without mapping below each one
};

/// What a task has mapped by kmap_local while it does not run.
struct KmapTask {
    CpuId cpu;  ///< the one it must run on while it has mappings
    std::vector<Pfn> frames;
};

struct KmapStats {
    std::uint64_t maps = 0;     ///< calls of kmap for high memory that gave an address
    std::uint64_t reused = 0;   ///< of these: the page had a slot
    std::uint64_t flushes = 0;  ///< of the slots
    std::uint64_t sleeps = 0;   ///< calls that would have slept
};

template <class Cpus, Mmu M>
class Kmap {
  public:
    /// Maps low memory. Throws UsageError if the window of `mmu` is too small, `slots` is no power of two,
    /// or tables run out. Nobody else may map in the window.
    Kmap(Arena& arena, M& mmu, Cpus& cpus, const KmapConfig& config, MisuseLog& misuse);

    /// Nothing: all slots are in use, or there is no page for a table.
    [[nodiscard]] std::optional<VirtAddr> kmap(Pfn frame, CpuId cpu);
    /// The mapping stays until a flush (VM-82). Without users: a misuse report.
    void kunmap(Pfn frame, CpuId cpu);

    /// Nothing: too many levels (a misuse report), or no page for a table. Low memory takes no level.
    [[nodiscard]] std::optional<VirtAddr> kmap_local(Pfn frame, CpuId cpu);
    /// `at` must be what kmap_local gave last on this CPU, and is not undone yet; else a misuse report.
    void kunmap_local(VirtAddr at, CpuId cpu);
    /// The task on `cpu` stops running: its mappings go, and come back at the same addresses by switch_in,
    /// which must name the same CPU if there are any; else a misuse report, and nothing is mapped.
    [[nodiscard]] KmapTask switch_out(CpuId cpu);
    void switch_in(const KmapTask& task, CpuId cpu);

    [[nodiscard]] bool is_low(Pfn frame) const { return frame < high_begin_; }
    /// Levels that a task can have at once (VM-83).
    [[nodiscard]] unsigned max_levels() const { return config_.debug ? 16 : 15; }
    [[nodiscard]] const KmapStats& stats() const { return stats_; }
    [[nodiscard]] MaybeViolation find_violation() const;

    struct Inside;  ///< for tests that break it

  private:
    /// Users are one less than the count; 1: nobody, but a TLB may know it; 0: free and flushed (VM-80).
    struct Slot {
        Pfn frame;
        std::uint64_t count = 0;
    };
    using Levels = std::vector<Pfn>;  ///< what the task that runs on a CPU has mapped, by depth

    [[nodiscard]] std::optional<unsigned> find_free_slot(CpuId cpu);
    void flush_unused(CpuId cpu);
    [[nodiscard]] bool map_level(std::size_t depth, Pfn frame, CpuId cpu);
    void unmap_level(std::size_t depth, CpuId cpu);
    [[nodiscard]] VirtAddr low_address(Pfn frame) const {
        return mmu_.window().begin.plus_pages(frame - arena_.start());
    }
    [[nodiscard]] VirtAddr slot_address(std::uint64_t slot) const { return slots_begin_.plus_pages(slot); }
    [[nodiscard]] VirtAddr level_address(std::size_t depth, CpuId cpu) const;
    void report(MisuseKind kind, VirtAddr at, std::string what);

    Arena& arena_;
    M& mmu_;
    Cpus& cpus_;
    MisuseLog& log_;
    KmapConfig config_;
    Pfn high_begin_;
    VirtAddr slots_begin_;
    typename Cpus::Lock lock_;
    std::vector<Slot> slots_;
    std::unordered_map<std::uint64_t, unsigned> slot_of_;  ///< by frame, where the count is not 0
    unsigned last_ = 0;                                    ///< slot that was looked at last
    KmapStats stats_;
    PerCpu<Levels> levels_;
};

}  // namespace kmemlab

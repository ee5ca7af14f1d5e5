/// What every machine of mappings stands on: memory, buddy, pages that can be told to fail, and an MMU: a
/// software one with a window so small that its addresses run out, or real mappings, of which there may be
/// few.
///
///     Arena <- Buddy <- WatchedPages (fails where it is told to) <- SoftMmu (its tables) <- vmalloc, stacks,
///     ...                                                        or HostMmu
///
/// Judged here is what they share: translations that are used after they are gone (V7), real mappings that
/// are refused below their limit (V4), pages that nobody owns (G8), and that in the end all is as at the
/// begin (B16).
#pragma once

#include <algorithm>
#include <concepts>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "allocators/buddy/buddy.hpp"
#include "allocators/mmu/host_mmu.hpp"
#include "allocators/mmu/soft_mmu.hpp"
#include "allocators/vmalloc/vmap_space.hpp"
#include "fuzz/machines/live_memory.hpp"
#include "fuzz/machines/machine.hpp"
#include "fuzz/machines/settings.hpp"
#include "fuzz/oracle/arena_shelf.hpp"
#include "fuzz/oracle/watched_pages.hpp"

namespace kmemlab::fuzz {

/// What programs may set of the software MMU. `window` names a place and a size: "small" (2 MiB), "middle"
/// (16 MiB), "large" (64 MiB), "giant" (4 GiB), "border" (16 MiB, of which 64 pages lie below a border of 1
/// GiB), "top" (64 pages, up to one page below the highest address).
struct MappingConfig {
    std::uint64_t levels = 4;
    std::string window = "middle";
    std::string tlb = "tiny";
    bool tables = true;  ///< page tables come from the pages that can fail, else from the heap

    [[nodiscard]] std::vector<Tunable> tunables();
    /// `pages`: where tables come from, if they do not come from the heap.
    [[nodiscard]] std::unique_ptr<SoftMmu> make(Arena& arena, unsigned cpus, PageSourceRef pages) const;
};
/// And of real mappings. The window is 1 GiB, and programs are too short to fill it.
struct HostMappingConfig {
    std::uint64_t mappings = 20000;  ///< of the window; far from what the kernel below allows
    bool kept = false;               ///< a window of kept address space, else a hole
    bool populate = true;
    static constexpr bool tables = false;  ///< they are the kernel's below

    [[nodiscard]] std::vector<Tunable> tunables();
    [[nodiscard]] std::unique_ptr<HostMmu> make(Arena& arena, unsigned cpus, PageSourceRef pages) const;
};
/// Knobs of those tunables, for targets to begin theirs with.
[[nodiscard]] std::vector<Knob> mapping_knobs();
[[nodiscard]] std::vector<Knob> host_mapping_knobs();

template <class M>
class MappingMachineOn : public Machine {
  public:
    [[nodiscard]] std::uint64_t page_requests() const override { return pages_.requests(); }

  protected:
    /// `configs` are those of the layers above; the settings of the set-up go to whom they belong.
    template <class... Configs>
    MappingMachineOn(const Setup& setup, const Language& language, Configs&... configs)
        : MappingMachineOn{setup, configure(setup, language, configs...)} {}

    [[nodiscard]] CpuId cpu_of(const Operation& op) const { return CpuId{op.cpu % cpus_.count()}; }
    /// Sizes with bit 8: requests of 2 MiB alone fail.
    void fail(const Operation& op) {
        pages_.fail(1 + op.count, op.size % 256, (op.size & 256) != 0 ? order_2m : Order{0});
    }
    /// After each operation: no stale translation was used, and nobody is told off who did nothing wrong.
    void judge_operation();

    /// Requests so far that failed because somebody wanted it so: for pages, and for mappings beyond their
    /// limit.
    [[nodiscard]] std::uint64_t refused() const { return pages_.refused() + mmu_->stats().refused_for_limit; }
    /// Could so many single pages be had, and tables and a list of them all, which are the kernel's own?
    [[nodiscard]] bool pages_to_be_had(std::uint64_t pages, Gfp gfp, CpuId cpu);
    [[nodiscard]] std::uint64_t table_pages() const {
        return tables_from_pages_ ? mmu_->stats().table_pages : 0;
    }
    /// Buddy's laws, and that others own as many pages as it gave: `owned`, and the tables.
    [[nodiscard]] MaybeViolation find_violation_below(std::uint64_t owned) const;
    /// When nothing above is left but `stay` pages.
    void tear_down_below(std::uint64_t stay = 0);
    /// Of all addresses in the window, is there room beside the busy areas? So it is when a search has
    /// failed, because that has purged. Places that fit a larger alignment by luck do not count (VM-22).
    [[nodiscard]] bool addresses_to_be_had(const VmapSpace<OwnedCpus>& space, std::uint64_t bytes,
                                           std::uint64_t align) const;

    [[nodiscard]] static std::uint64_t mark_of(std::uint64_t what) { return (what + 1) * 0x9e3779b97f4a7c15; }
    [[nodiscard]] std::uint64_t word_at(Pfn pfn) const {
        std::uint64_t word = 0;
        std::memcpy(&word, arena_.address(pfn), sizeof word);
        return word;
    }

    oracle::BorrowedArena borrowed_;
    Arena& arena_{borrowed_.get()};
    OwnedCpus cpus_;
    Buddy<OwnedCpus> buddy_;
    oracle::WatchedPages<Buddy<OwnedCpus>> pages_;
    FreeBlocks free_at_begin_;
    bool tables_from_pages_;
    std::unique_ptr<M> mmu_;

  private:
    struct Layers {
        BuddyConfig buddy;
        std::conditional_t<std::same_as<M, HostMmu>, HostMappingConfig, MappingConfig> mapping;
    };
    template <class... Configs>
    [[nodiscard]] static Layers configure(const Setup& setup, const Language& language, Configs&... configs) {
        Layers layers;
        apply_setup(setup, language, layers.buddy, layers.mapping, configs...);
        return layers;
    }
    MappingMachineOn(const Setup& setup, const Layers& layers);
};

extern template class MappingMachineOn<SoftMmu>;
extern template class MappingMachineOn<HostMmu>;
using MappingMachine = MappingMachineOn<SoftMmu>;

}  // namespace kmemlab::fuzz

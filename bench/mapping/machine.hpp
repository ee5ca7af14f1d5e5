/// The machine that mapping is measured on: memory, page allocator, an MMU, vmalloc. Each row has one of its
/// own, so that what a row does cannot depend on the rows before it; memory is touched as it is used.
///
///     Vmalloc ---- areas ----> HostMmu or SoftMmu ----> Arena
///        |                                                ^
///        +---- frames ----> Buddy, or ScatteredPages -----+
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "allocators/base/misuse.hpp"
#include "allocators/buddy/buddy.hpp"
#include "allocators/contract/models.hpp"
#include "allocators/machine/machine_config.hpp"
#include "allocators/mmu/host_mmu.hpp"
#include "allocators/mmu/soft_mmu.hpp"
#include "allocators/vmalloc/vmalloc.hpp"
#include "bench/measure/contest.hpp"
#include "bench/measure/sequence.hpp"

namespace kmemlab::mapping {

inline constexpr CpuId cpu0{0};

/// What `--set` changes.
struct MachineSettings {
    MachineConfig machine;
    BuddyConfig buddy;
    VmallocConfig vmalloc;
    [[nodiscard]] std::vector<Tunable> tunables() { return all_tunables(machine, buddy, vmalloc); }
};

/// Gives single frames of which no two lie side by side: each is an extent of its own. The even frames of a
/// stretch of the arena, shuffled by a fixed seed; what comes back goes to the end of the line.
class ScatteredPages {
  public:
    ScatteredPages(Arena& arena, std::size_t frames) : arena_{arena} {
        const std::size_t count = std::min<std::size_t>(frames, arena.frames() / 2);
        for (const std::uint32_t i : positions(Sequence::random, count)) {
            line_.push_back(arena.start() + std::uint64_t{2} * i);
        }
    }

    [[nodiscard]] std::optional<Pfn> take(Order order, Gfp, CpuId) {
        if (order != Order{0} || taken_ == line_.size()) return {};
        const Pfn pfn = line_[next_];
        next_ = (next_ + 1) % line_.size();
        ++taken_;
        return pfn;
    }
    void give(Pfn pfn, Order, CpuId) {
        line_[(next_ + line_.size() - taken_) % line_.size()] = pfn;
        --taken_;
    }
    [[nodiscard]] Arena& arena() { return arena_; }

  private:
    Arena& arena_;
    std::vector<Pfn> line_;  ///< a ring: what is taken lies before next_
    std::size_t next_ = 0;
    std::size_t taken_ = 0;
};

/// How a row's machine differs from the user's.
struct Variant {
    bool lazy = true;                 ///< off: each free flushes
    std::size_t scattered_pages = 0;  ///< so many scattered frames instead of the page allocator's
    unsigned cpus = 0;                ///< 0: the user's
};

template <Mmu M>
class Machine {
  public:
    static constexpr bool is_host = std::same_as<M, HostMmu>;
    using MmuConfig = std::conditional_t<is_host, HostMmuConfig, SoftMmuConfig>;

    Machine(const MachineSettings& settings, MmuConfig mmu, const Variant& variant)
        : arena_{settings.machine.arena, Pfn{settings.machine.start_pfn}},
          cpus_{variant.cpus == 0 ? settings.machine.cpus : variant.cpus},
          buddy_{arena_, cpus_, settings.buddy, misuse_},
          mmu_{arena_, for_cpus(std::move(mmu), cpus_.count())},
          scattered_{arena_, variant.scattered_pages},
          vm_{variant.scattered_pages > 0 ? PageSourceRef{scattered_} : PageSourceRef{buddy_}, mmu_, cpus_,
              of_variant(settings.vmalloc, variant), misuse_} {}

    [[nodiscard]] Vmalloc<OwnedCpus, M>& vm() { return vm_; }
    [[nodiscard]] M& mmu() { return mmu_; }
    [[nodiscard]] Buddy<OwnedCpus>& buddy() { return buddy_; }
    [[nodiscard]] Arena& arena() { return arena_; }

    /// Writes a word at an address that is mapped (soft: translates it).
    void use(VirtAddr at) {
        if constexpr (is_host) {
            *static_cast<volatile std::uint64_t*>(M::pointer(at)) = 1;
        } else {
            static_cast<void>(mmu_.touch(at, cpu0));
        }
    }
    /// `count` frames that lie side by side (at most a block of max_order), or of which no two do.
    [[nodiscard]] std::vector<Pfn> frames(std::size_t count, bool side_by_side) {
        const std::uint64_t stride = side_by_side ? 1 : 2;
        const Order order = std::min(max_order, order_of(count * stride * page_size));
        std::vector<Pfn> ascending;
        while (ascending.size() < count) {
            const std::optional<Pfn> block = buddy_.take(order, GFP_KERNEL, cpu0);
            if (!block) throw UsageError::of("mapping: no blocks of memory left for {} pages", count);
            for (std::uint64_t i = 0; i < order.pages(); i += stride) ascending.push_back(*block + i);
        }
        std::vector<Pfn> result;
        for (const auto i : positions(side_by_side ? Sequence::fifo : Sequence::random, count)) {
            result.push_back(ascending[i]);
        }
        return result;
    }

  private:
    [[nodiscard]] static MmuConfig for_cpus(MmuConfig config, [[maybe_unused]] unsigned cpus) {
        if constexpr (!is_host) config.cpus = cpus;
        return config;
    }
    [[nodiscard]] static VmallocConfig of_variant(VmallocConfig config, const Variant& variant) {
        config.lazy = config.lazy && variant.lazy;
        return config;
    }

    MisuseLog misuse_;
    Arena arena_;
    OwnedCpus cpus_;
    Buddy<OwnedCpus> buddy_;
    M mmu_;
    ScatteredPages scattered_;
    Vmalloc<OwnedCpus, M> vm_;
};

/// What changed in the counts of an MMU.
[[nodiscard]] inline Counts difference(const MmuStats& before, const MmuStats& after) {
    return {{"flushes", after.flushes - before.flushes},
            {"full_flushes", after.full_flushes - before.full_flushes},
            {"ipis", after.ipis - before.ipis},
            {"map_calls", after.map_calls - before.map_calls},
            {"unmap_calls", after.unmap_calls - before.unmap_calls}};
}

}  // namespace kmemlab::mapping

/// Kernel stacks as models: a machine, buddy, and one kind of stacks (kstack/stacks.hpp). They differ in what
/// lies between buddy and the stacks, the rig:
///
///     DirectRig    nothing                  kstack-direct
///     VmappedRig   HostMmu and vmalloc      kstack-vmap, kstack-vmap-uncached
///     DynamicRig   HostMmu                  kstack-dynamic
///
/// stacks() is what they are for. As an Allocator each request that fits gets a whole stack for no task: bare
/// memory, with all its pages. Grace periods end with the call that began them.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "allocators/contract/models.hpp"
#include "allocators/contract/vmalloc_model.hpp"
#include "allocators/kstack/stacks.hpp"

namespace kmemlab {

/// What a rig is built from.
struct StackMachine {
    Arena& arena;
    OwnedCpus& cpus;
    Buddy<OwnedCpus>& buddy;
    MisuseLog& misuse;
};

/// "maps 12, unmaps 3, flushes 3, mappings 40 of 64000"
[[nodiscard]] inline std::string mmu_line(const MmuStats& mmu) {
    return fmt::format("maps {}, unmaps {}, flushes {}, mappings {} of {}\n", mmu.map_calls, mmu.unmap_calls,
                       mmu.flushes, mmu.mappings, mmu.mapping_limit);
}

struct DirectRig {
    struct Parts {
        [[nodiscard]] std::vector<Tunable> tunables() { return {}; }
    };
    DirectRig(const StackMachine& on, const Parts&, const StackConfig& config)
        : stacks{on.cpus, config, on.misuse, on.buddy} {}
    [[nodiscard]] std::string text() const { return ""; }

    DirectStacks<OwnedCpus> stacks;
};

struct VmappedRig {
    struct Parts {
        HostMmuSettings mmu;
        VmallocConfig vmalloc;
        [[nodiscard]] std::vector<Tunable> tunables() { return all_tunables(mmu, vmalloc); }
    };
    VmappedRig(const StackMachine& on, const Parts& parts, const StackConfig& config)
        : mmu{on.arena, parts.mmu.config()},
          vmalloc{on.buddy, mmu, on.cpus, parts.vmalloc, on.misuse},
          stacks{on.cpus, config, on.misuse, on.arena, mmu, vmalloc} {}
    [[nodiscard]] std::string text() const {
        return fmt::format("lazy pages {}, purges {}\n", vmalloc.space().lazy_pages(),
                           vmalloc.space().purges()) +
               mmu_line(mmu.stats());
    }

    HostMmu mmu;
    Vmalloc<OwnedCpus, HostMmu> vmalloc;
    VmappedStacks<OwnedCpus, HostMmu> stacks;
};

struct DynamicRig {
    struct Parts {
        HostMmuSettings mmu;
        [[nodiscard]] std::vector<Tunable> tunables() { return mmu.tunables(); }
    };
    DynamicRig(const StackMachine& on, const Parts& parts, const StackConfig& config)
        : mmu{on.arena, parts.mmu.config()}, stacks{on.cpus, config, on.misuse, on.buddy, mmu} {}
    [[nodiscard]] std::string text() const { return mmu_line(mmu.stats()); }

    HostMmu mmu;
    DynamicStacks<OwnedCpus> stacks;
};

template <class Rig, const ModelInfo& Info, bool cached>
class StackModel {
  public:
    static constexpr ModelInfo info = Info;

    struct Config {
        MachineConfig machine;
        BuddyConfig buddy;
        typename Rig::Parts parts;
        StackConfig stacks{.cache = cached};
        [[nodiscard]] std::vector<Tunable> tunables() { return all_tunables(machine, buddy, parts, stacks); }
    };

    explicit StackModel(const Config& config)
        : arena_{config.machine.arena, Pfn{config.machine.start_pfn}},
          cpus_{config.machine.cpus},
          buddy_{arena_, cpus_, config.buddy, misuse_},
          rig_{{arena_, cpus_, buddy_, misuse_}, config.parts, config.stacks} {
        drain(CpuId{0});  // as any drain leaves it
    }

    [[nodiscard]] auto& stacks() { return rig_.stacks; }
    [[nodiscard]] const auto& stacks() const { return rig_.stacks; }
    [[nodiscard]] Buddy<OwnedCpus>& buddy() { return buddy_; }
    /// A task exits, and the grace period of its stack ends at once.
    void exit(KernelStack& stack, CpuId cpu) {
        stacks().exit(stack, cpu);
        stacks().end_grace_period(cpu);
    }

    [[nodiscard]] void* allocate(const Request& request) {
        const ThreadLayout& layout = stacks().layout();
        if (request.size == 0 || request.size > layout.size || request.align > layout.align) return nullptr;
        KernelStack* const stack = stacks().create(no_task, request.cpu);
        if (stack == nullptr) return nullptr;
        if (stacks().populate(*stack, request.cpu)) return HostMmu::pointer(stack->base);
        exit(*stack, request.cpu);
        return nullptr;
    }
    void deallocate(void* p, CpuId cpu) {
        if (p == nullptr) return;
        if (KernelStack* const stack = stacks().find(address(p))) return exit(*stack, cpu);
        misuse_.report({MisuseKind::foreign_pointer, p, "kernel stack",
                        fmt::format("no kernel stack begins at {:#x}\n", address(p).value())});
    }
    [[nodiscard]] std::size_t usable_size(const void* p) const {
        return stacks().find(address(p)) == nullptr ? 0 : stacks().layout().size;
    }
    [[nodiscard]] AllocatorStats stats() const {
        const StackStats now = stacks().stats();
        return {.held_bytes = now.held_bytes,
                .metadata_bytes = now.metadata_bytes + buddy_.stats().metadata_bytes,
                .allocations = now.allocations,
                .frees = now.frees};
    }
    [[nodiscard]] Path last_path(CpuId cpu) { return stacks().last_path(cpu); }
    void drain(CpuId cpu) {
        stacks().drain(cpu);
        buddy_.drain(cpu);
    }
    /// Stacks and what they stand on, the page layer, and that both count the same pages (G8).
    [[nodiscard]] MaybeViolation find_violation() const {
        if (auto found = stacks().find_violation()) return found;
        if (auto found = buddy_.find_violation()) return found;
        const std::uint64_t held = stacks().stats().held_bytes;
        const std::uint64_t given = buddy_.pages_in_use() << page_shift;
        if (held != given)
            return violation("G8", "stacks hold {} bytes of pages, buddy gave {}", held, given);
        return {};
    }
    [[nodiscard]] std::vector<Text> snapshot() const {
        std::vector<Text> texts = stacks().texts();
        texts.push_back({"kstack", stacks_text()});
        for (Text& text : buddy_.snapshot()) texts.push_back(std::move(text));
        return texts;
    }
    [[nodiscard]] FreeBlocks free_blocks() const { return buddy_.free_blocks(); }

  private:
    [[nodiscard]] static VirtAddr address(const void* p) {
        return VirtAddr{reinterpret_cast<std::uintptr_t>(p)};
    }
    [[nodiscard]] std::string stacks_text() const {
        const StackStats now = stacks().stats();
        return fmt::format(
                   "tasks {}, in slots {}, waiting {}, bytes {}\ncreated {}, out of slots {}, failed {}\n"
                   "grown pages {}, reserve empty {}, guard hits {}, ends corrupted {}\n",
                   now.accounted, now.cached, now.pending, now.held_bytes, now.created, now.reused,
                   now.failed, now.grown_pages, now.exhausted, now.guard_hits, now.corrupted_ends) +
               rig_.text();
    }

    MisuseLog misuse_;
    Arena arena_;
    OwnedCpus cpus_;
    Buddy<OwnedCpus> buddy_;
    Rig rig_;
};

inline constexpr Capabilities stack_capabilities{.smallest = std::size_t{16} << 10,
                                                 .largest = std::size_t{16} << 10,
                                                 .largest_align = std::size_t{16} << 10,
                                                 .natural_alignment = true,
                                                 .thread_safe = true,
                                                 .deterministic = true,
                                                 .stacks = true};

inline constexpr ModelInfo direct_stacks_info{
    .name = "kstack-direct",
    .follows = "Linux 4.8",
    .what = "kernel stacks of one block of the direct map, without a guard page",
    .capabilities = stack_capabilities,
};
using DirectStackModel = StackModel<DirectRig, direct_stacks_info, false>;

inline constexpr ModelInfo vmapped_stacks_info{
    .name = "kstack-vmap",
    .follows = "Linux 6.1",
    .what = "kernel stacks from vmalloc with a guard page, two kept by each CPU",
    .capabilities = stack_capabilities,
};
using VmappedStackModel = StackModel<VmappedRig, vmapped_stacks_info, true>;

inline constexpr ModelInfo uncached_stacks_info{
    .name = "kstack-vmap-uncached",
    .follows = "Linux 6.1",
    .what = "kstack-vmap, of which no CPU keeps any",
    .capabilities = stack_capabilities,
};
using UncachedStackModel = StackModel<VmappedRig, uncached_stacks_info, false>;

inline constexpr ModelInfo dynamic_stacks_info{
    .name = "kstack-dynamic",
    .follows = "the proposal of 2024",
    .what = "kernel stacks of one page that grow by page faults",
    .capabilities = stack_capabilities,
};
using DynamicStackModel = StackModel<DynamicRig, dynamic_stacks_info, true>;

}  // namespace kmemlab

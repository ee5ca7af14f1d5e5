/// DynamicMemory: a stack has its addresses from the start and its pages when it needs them, as proposed for
/// Linux in 2024 and 2026.
///
///     window   |guard| reserved | reserved | reserved | page | guard |       at first: one page
///                                  <- grows by faults ^
///
///     access --> SIGSEGV --> handler: pages from the reserve of the task's CPU, down to the address --> goes
///     on
///                               no page left: refused; the access did not happen (StackUse::exhausted)
///     CPU 0 reserve [ zeroed page | zeroed page | zeroed page ]     refilled when a task comes to the CPU
///
/// The handler takes no lock and asks nobody for memory: pages come from the reserve, which belongs to the
/// CPU that the task runs on, and address space was claimed beforehand (HostMmu::claim). It finds the stack
/// in a table by address. A page of a stack that was grown stays until the stack is freed, in a slot too.
///
/// The end magic is written when the lowest page comes; until then the guard page alone tells (K1).
/// Laws: K1, K6, and that pages are mapped from first_mapped to the top and nowhere else (V5).
/// Difference from the proposal: a fault costs a signal and a system call, where a kernel has an exception of
/// its own. Refused by the kernel below us (mappings) counts as exhausted too.
#pragma once

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <span>

#include "allocators/kstack/fault_catcher.hpp"
#include "allocators/kstack/kernel_stacks.hpp"
#include "allocators/kstack/stack_config.hpp"
#include "allocators/machine/page_source.hpp"
#include "allocators/mmu/host_mmu.hpp"
#include "allocators/vmalloc/vmap_space.hpp"

namespace kmemlab {

template <class Cpus>
class DynamicMemory final : public FaultMender {
  public:
    static constexpr bool cached = true;

    /// Nobody else may map in the window of `mmu`.
    DynamicMemory(Cpus& cpus, const StackConfig& config, PageSourceRef source, HostMmu& mmu);

    [[nodiscard]] bool make(KernelStack& stack, CpuId cpu);
    void clear(KernelStack& stack, CpuId cpu);
    void give(KernelStack& stack, CpuId cpu);
    /// All pages of a stack, without faults. False: no memory; what came stays.
    [[nodiscard]] bool populate(KernelStack& stack, CpuId cpu);
    [[nodiscard]] StackUse write(KernelStack& stack, std::size_t depth, CpuId cpu);
    [[nodiscard]] std::optional<Pfn> frame_of(VirtAddr at) const;
    void drain(CpuId cpu);

    [[nodiscard]] Arena& arena() const { return source_.arena(); }
    [[nodiscard]] const ThreadLayout& layout() const { return layout_; }
    [[nodiscard]] StackStats stats() const;
    [[nodiscard]] MaybeViolation find_bad(const KernelStack& stack) const;
    [[nodiscard]] MaybeViolation find_violation(std::uint64_t stack_pages) const;

    // FaultMender: async-signal-safe.
    [[nodiscard]] bool mend(VirtAddr at) noexcept override;

    /// Pages that a CPU has ready.
    [[nodiscard]] std::uint64_t reserved_pages(CpuId cpu) const { return reserves_[cpu].count; }
    /// Fills the reserve of `cpu`, as far as there is memory.
    void refill(CpuId cpu);

  private:
    /// A CPU's pages, and what the handler has done with them. The handler runs on the thread that runs on
    /// the CPU, so that plain members do; write() keeps the compiler from knowing better.
    struct Reserve {
        std::array<Pfn, StackConfig::most_reserve> pages{};
        std::uint64_t count = 0;
        std::uint64_t grown = 0;
        std::uint64_t exhausted = 0;
    };
    using Slot = std::atomic<KernelStack*>;
    struct Free {
        void operator()(void* p) const { std::free(p); }
    };

    [[nodiscard]] VirtAddr page_of(const KernelStack& stack, std::uint64_t page) const {
        return stack.base.plus_pages(page);
    }
    [[nodiscard]] Slot& slot_of(VirtAddr at) const;
    [[nodiscard]] std::optional<Pfn> take(CpuId cpu);
    [[nodiscard]] bool add_page(KernelStack& stack, Pfn frame) noexcept;
    [[nodiscard]] bool map_first(KernelStack& stack, CpuId cpu);
    void free_area(VmapArea* area, CpuId cpu);

    mutable PageSourceRef source_;
    HostMmu& mmu_;
    ThreadLayout layout_;
    std::uint64_t wanted_reserve_;
    VmapSpace<Cpus> space_;
    PerCpu<Reserve> reserves_;
    std::atomic<std::uint64_t> held_{0};  ///< pages, reserves included
    std::unique_ptr<Slot[], Free>
        by_address_;  ///< a slot for each THREAD_ALIGN of the window; zero where none
    CaughtWindow faults_;
};

extern template class DynamicMemory<OwnedCpus>;

}  // namespace kmemlab

/// VmappedMemory: a stack is an area of vmalloc with a guard page, as since Linux 4.9 (VM-70, 71).
///
///     window   | ... |guard| stack: pages of order 0 | guard |
///                       ^      <- grows down            ^ the area's own
///                       the last page of whatever lies below; without that, free space
///
/// No page that is a guard or free is ever mapped: an area's translations end before its guard, and free
/// space was flushed before it became free. So the byte below the base faults at once (K6), on real mappings
/// too, where a freed area stays readable until the flush. (vm_map_ram has no guard pages: whoever uses it in
/// the same window may lie directly below a stack, in Linux as here.)
///
/// Laws: K1, K6 and the mapping of each page (V5).
#pragma once

#include <cstring>
#include <optional>

#include "allocators/kstack/fault_catcher.hpp"
#include "allocators/kstack/kernel_stacks.hpp"
#include "allocators/kstack/stack_config.hpp"
#include "allocators/kstack/write_frames.hpp"
#include "allocators/mmu/host_mmu.hpp"
#include "allocators/mmu/soft_mmu.hpp"
#include "allocators/vmalloc/vmalloc.hpp"

namespace kmemlab {

// How stacks are reached: by pointers where there are any, else through the MMU's calls.

inline void clear_bytes(HostMmu&, VirtAddr at, std::size_t bytes, CpuId) {
    std::memset(HostMmu::pointer(at), 0, bytes);
}
inline void clear_bytes(SoftMmu& mmu, VirtAddr at, std::size_t bytes, CpuId cpu) {
    constexpr std::array<std::byte, page_size> zeroes{};
    for (std::size_t done = 0; done < bytes; done += page_size) mmu.write(at + done, zeroes, cpu);
}

/// The first address that could not be written, or nothing.
inline std::optional<VirtAddr> try_frames(HostMmu&, VirtAddr top, std::size_t depth, CpuId) {
    return fault_of([&] { write_frames(top, depth); });
}
inline std::optional<VirtAddr> try_frames(SoftMmu& mmu, VirtAddr top, std::size_t depth, CpuId cpu) {
    std::optional<VirtAddr> fault;
    for_each_frame(top, depth, [&](VirtAddr at) {
        const std::uint64_t word = at.value();
        if (!fault && !mmu.write(at, std::as_bytes(std::span{&word, 1}), cpu)) fault = at;
    });
    return fault;
}

/// Where accesses to stacks in `window` may fault: the lowest stack grows down out of it.
[[nodiscard]] inline AddressRange with_page_below(AddressRange window) {
    return {VirtAddr{window.begin.value() - page_size}, window.end};
}

/// K1 and K6: nothing lies at the page below the stack and the one behind it, not even for a CPU that has not
/// been told yet.
[[nodiscard]] inline MaybeViolation find_unguarded(HostMmu& mmu, const KernelStack& stack, std::size_t size) {
    const VirtAddr below{stack.base.value() - 1};
    const VirtAddr behind = stack.base + size;
    if (mmu.frame_of(below) || mmu.frame_of(behind)) {
        return violation("K1", "a page beside stack {:#x} is mapped", stack.base.value());
    }
    if (mmu.touch(below, stack.cpu) || mmu.touch(behind, stack.cpu)) {
        return violation("K6", "memory beside stack {:#x} can be reached", stack.base.value());
    }
    return {};
}
[[nodiscard]] inline MaybeViolation find_unguarded(SoftMmu& mmu, const KernelStack& stack, std::size_t size) {
    // A stale translation that is not lazy is the MMU's to find (V7); looking must not change its counts.
    if (!mmu.frame_of(VirtAddr{stack.base.value() - 1}) && !mmu.frame_of(stack.base + size)) return {};
    return violation("K1", "a page beside stack {:#x} is mapped", stack.base.value());
}

template <class Cpus, Mmu M>
class VmappedMemory {
  public:
    static constexpr bool cached = true;

    VmappedMemory(Cpus&, const StackConfig& config, Arena& arena, M& mmu, Vmalloc<Cpus, M>& vmalloc)
        : arena_{arena}, mmu_{mmu}, vmalloc_{vmalloc}, layout_{config.layout()} {
        if (!layout_.mapped) {
            throw UsageError::of("kstack.arch={}: Linux 6.1 has no mapped stacks there", config.architecture);
        }
        if constexpr (std::same_as<M, HostMmu>) faults_.emplace(with_page_below(mmu.window()));
    }

    [[nodiscard]] bool make(KernelStack& stack, CpuId cpu) {
        const std::optional<VirtAddr> base = vmalloc_.vmalloc_range(
            layout_.size, layout_.align, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN, false, cpu);
        if (!base) return false;
        stack.base = *base;
        for (std::uint64_t i = 0; i < layout_.pages(); ++i) {
            stack.frames[i] = *vmalloc_.vmalloc_to_page(base->plus_pages(i));
        }
        void* const lowest =
            std::same_as<M, HostMmu> ? HostMmu::pointer(*base) : arena_.address(stack.frames[0]);
        stack.lowest_word = static_cast<std::uint64_t*>(lowest);
        return true;
    }
    void clear(KernelStack& stack, CpuId cpu) { clear_bytes(mmu_, stack.base, layout_.size, cpu); }
    void give(KernelStack& stack, CpuId cpu) { vmalloc_.vfree(stack.base, cpu); }
    [[nodiscard]] bool populate(KernelStack&, CpuId) { return true; }
    [[nodiscard]] StackUse write(KernelStack& stack, std::size_t depth, CpuId cpu) {
        const auto fault = try_frames(mmu_, stack.base + layout_.size, depth, cpu);
        if (!fault) return {};
        return {StackUse::Outcome::overflow, *fault};
    }
    [[nodiscard]] std::optional<Pfn> frame_of(VirtAddr at) const { return mmu_.frame_of(at); }
    void drain(CpuId cpu) { vmalloc_.drain(cpu); }

    [[nodiscard]] Arena& arena() const { return arena_; }
    [[nodiscard]] const ThreadLayout& layout() const { return layout_; }
    [[nodiscard]] StackStats stats() const {
        StackStats stats;
        stats.held_bytes = vmalloc_.nr_vmalloc_pages() << page_shift;
        stats.metadata_bytes = vmalloc_.stats().metadata_bytes;
        return stats;
    }
    [[nodiscard]] MaybeViolation find_bad(const KernelStack& stack) const {
        for (std::uint64_t i = 0; i < layout_.pages(); ++i) {
            if (mmu_.frame_of(stack.base.plus_pages(i)) == stack.frames[i]) continue;
            return violation("V5", "page {} of stack {:#x} is not mapped to its frame", i,
                             stack.base.value());
        }
        return find_unguarded(mmu_, stack, layout_.size);
    }
    [[nodiscard]] MaybeViolation find_violation(std::uint64_t stack_pages) const {
        if (vmalloc_.nr_vmalloc_pages() < stack_pages) {
            return violation("G8", "stacks have {} pages, vmalloc gave {}", stack_pages,
                             vmalloc_.nr_vmalloc_pages());
        }
        return vmalloc_.find_violation();
    }

  private:
    Arena& arena_;
    M& mmu_;
    Vmalloc<Cpus, M>& vmalloc_;
    ThreadLayout layout_;
    std::optional<CaughtWindow> faults_;
};

}  // namespace kmemlab

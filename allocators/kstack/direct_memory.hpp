/// DirectMemory: a stack is one block of the direct map, as until Linux 4.8 (VM-70).
///
///     direct map   | ... | stack A | stack B | anything ... |      no page between them
///                        <- grows down
///
/// There is no guard: whoever overflows B writes into A, and nobody notices until B's end magic is looked at.
/// It needs a whole block of THREAD_ORDER, which a fragmented memory may not have.
/// Laws: K2 (the block is aligned to its size). K1 and K6 hold for nobody here.
#pragma once

#include "allocators/kstack/kernel_stacks.hpp"
#include "allocators/kstack/stack_config.hpp"
#include "allocators/kstack/write_frames.hpp"
#include "allocators/machine/page_source.hpp"

namespace kmemlab {

template <class Cpus>
class DirectMemory {
  public:
    static constexpr bool cached = false;

    DirectMemory(Cpus&, const StackConfig& config, PageSourceRef source)
        : source_{source}, layout_{config.layout()} {
        layout_.align = layout_.size;
    }

    [[nodiscard]] bool make(KernelStack& stack, CpuId cpu) {
        const std::optional<Pfn> first =
            source_.take(layout_.order(), GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN, cpu);
        if (!first) return false;
        for (std::uint64_t i = 0; i < layout_.pages(); ++i) stack.frames[i] = *first + i;
        stack.base = VirtAddr{reinterpret_cast<std::uintptr_t>(arena().address(*first))};
        stack.lowest_word = reinterpret_cast<std::uint64_t*>(stack.base.value());
        held_.fetch_add(layout_.size, std::memory_order_relaxed);
        return true;
    }
    void clear(KernelStack&, CpuId) {}  // nothing is kept for reuse
    void give(KernelStack& stack, CpuId cpu) {
        held_.fetch_sub(layout_.size, std::memory_order_relaxed);
        source_.give(stack.frames[0], layout_.order(), cpu);
    }
    [[nodiscard]] bool populate(KernelStack&, CpuId) { return true; }
    /// Goes on where the stack ends, as far as the arena reaches.
    [[nodiscard]] StackUse write(KernelStack& stack, std::size_t depth, CpuId) {
        const VirtAddr top = stack.base + layout_.size;
        const std::size_t below = arena().offset_of(reinterpret_cast<void*>(stack.base.value()));
        write_frames(top, std::min(depth, layout_.size + below));
        return {};
    }
    [[nodiscard]] std::optional<Pfn> frame_of(VirtAddr at) const {
        const auto* const p = reinterpret_cast<const void*>(at.value());
        return arena().contains(p) ? std::optional{arena().pfn(p)} : std::nullopt;
    }
    void drain(CpuId) {}

    [[nodiscard]] Arena& arena() const { return source_.arena(); }
    [[nodiscard]] const ThreadLayout& layout() const { return layout_; }
    [[nodiscard]] StackStats stats() const {
        StackStats stats;
        stats.held_bytes = held_.load(std::memory_order_relaxed);
        return stats;
    }
    [[nodiscard]] MaybeViolation find_bad(const KernelStack&) const { return {}; }
    [[nodiscard]] MaybeViolation find_violation(std::uint64_t stack_pages) const {
        const std::uint64_t held = held_.load(std::memory_order_relaxed) >> page_shift;
        if (held == stack_pages) return {};
        return violation("G8", "{} pages are taken, stacks have {}", held, stack_pages);
    }

  private:
    mutable PageSourceRef source_;
    ThreadLayout layout_;
    std::atomic<std::uint64_t> held_{0};
};

}  // namespace kmemlab

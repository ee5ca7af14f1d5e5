#include "allocators/kstack/dynamic_memory.hpp"

#include <cstring>

#include "allocators/kstack/vmapped_memory.hpp"

namespace kmemlab {

template <class Cpus>
DynamicMemory<Cpus>::DynamicMemory(Cpus& cpus, const StackConfig& config, PageSourceRef source, HostMmu& mmu)
    : source_{source},
      mmu_{mmu},
      layout_{config.layout()},
      wanted_reserve_{config.reserve},
      space_{cpus, lazy_max_pages(cpus.count()),
             [this](std::uint64_t begin, std::uint64_t end, CpuId cpu) {
                 mmu_.flush(VirtAddr{begin}, VirtAddr{end}, cpu);
             }},
      reserves_{cpus.count()},
      by_address_{static_cast<Slot*>(
          std::calloc((mmu.window().end - mmu.window().begin) / layout_.align, sizeof(Slot)))},
      faults_{with_page_below(mmu.window()), this} {
    if (by_address_ == nullptr) throw UsageError::of("kstack: no memory for a table of the window");
}

// ---- a stack's memory --------------------------------------------------------------------------------

template <class Cpus>
bool DynamicMemory<Cpus>::make(KernelStack& stack, CpuId cpu) {
    VmapArea* const area = space_.alloc(layout_.size + page_size, layout_.align, mmu_.window(), cpu);
    if (area == nullptr) return false;
    stack.owner = area;
    stack.base = VirtAddr{area->start};
    stack.first_mapped = layout_.pages() - 1;
    if (!map_first(stack, cpu)) {
        free_area(area, cpu);
        return false;
    }
    slot_of(stack.base).store(&stack, std::memory_order_release);
    refill(cpu);
    return true;
}

/// The top page, and the claim on those below.
template <class Cpus>
bool DynamicMemory<Cpus>::map_first(KernelStack& stack, CpuId cpu) {
    const std::optional<Pfn> top = take(cpu);
    if (!top) return false;
    const std::uint64_t page = stack.first_mapped;
    stack.frames[page] = *top;
    if (mmu_.map(page_of(stack, page), std::span{&*top, 1}, cpu)) {
        if (mmu_.claim(stack.base, page)) return true;
        mmu_.unmap(page_of(stack, page), 1, cpu);
    }
    source_.give(*top, Order{0}, cpu);
    held_.fetch_sub(1, std::memory_order_relaxed);
    return false;
}

template <class Cpus>
void DynamicMemory<Cpus>::clear(KernelStack& stack, CpuId cpu) {
    const std::uint64_t mapped = layout_.pages() - stack.first_mapped;
    clear_bytes(mmu_, page_of(stack, stack.first_mapped), mapped << page_shift, cpu);
    refill(cpu);
}

template <class Cpus>
void DynamicMemory<Cpus>::give(KernelStack& stack, CpuId cpu) {
    slot_of(stack.base).store(nullptr, std::memory_order_relaxed);
    mmu_.unmap(stack.base, layout_.pages(), cpu);
    free_area(static_cast<VmapArea*>(stack.owner), cpu);
    for (std::uint64_t i = stack.first_mapped; i < layout_.pages(); ++i) {
        source_.give(stack.frames[i], Order{0}, cpu);
    }
    held_.fetch_sub(layout_.pages() - stack.first_mapped, std::memory_order_relaxed);
}

template <class Cpus>
void DynamicMemory<Cpus>::free_area(VmapArea* area, CpuId cpu) {
    if (space_.free_lazily(area, cpu)) space_.purge(cpu);
}

template <class Cpus>
bool DynamicMemory<Cpus>::populate(KernelStack& stack, CpuId cpu) {
    while (stack.first_mapped > 0) {
        const std::optional<Pfn> frame = take(cpu);
        if (!frame) return false;
        if (add_page(stack, *frame)) continue;
        source_.give(*frame, Order{0}, cpu);
        held_.fetch_sub(1, std::memory_order_relaxed);
        return false;
    }
    return true;
}

template <class Cpus>
void DynamicMemory<Cpus>::drain(CpuId cpu) {
    for (CpuId c{0}; c.value() < reserves_.count(); ++c) {
        for (Reserve& reserve = reserves_[c]; reserve.count > 0;) {
            source_.give(reserve.pages[--reserve.count], Order{0}, cpu);
            held_.fetch_sub(1, std::memory_order_relaxed);
        }
    }
    space_.purge(cpu);
}

// ---- growth ------------------------------------------------------------------------------------------

template <class Cpus>
std::optional<Pfn> DynamicMemory<Cpus>::take(CpuId cpu) {
    const auto frame = source_.take(Order{0}, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN, cpu);
    if (frame) held_.fetch_add(1, std::memory_order_relaxed);
    return frame;
}

template <class Cpus>
void DynamicMemory<Cpus>::refill(CpuId cpu) {
    Reserve& reserve = reserves_[cpu];
    while (reserve.count < wanted_reserve_) {
        const std::optional<Pfn> frame = take(cpu);
        if (!frame) return;
        reserve.pages[reserve.count++] = *frame;
    }
}

template <class Cpus>
StackUse DynamicMemory<Cpus>::write(KernelStack& stack, std::size_t depth, CpuId cpu) {
    refill(cpu);
    const VirtAddr top = stack.base + layout_.size;
    const auto fault = try_frames(mmu_, top, depth, cpu);
    // The handler has changed the stack and the reserve behind the compiler's back.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (!fault) return {};
    return {*fault >= stack.base ? StackUse::Outcome::exhausted : StackUse::Outcome::overflow, *fault};
}

template <class Cpus>
typename DynamicMemory<Cpus>::Slot& DynamicMemory<Cpus>::slot_of(VirtAddr at) const {
    return by_address_[(at - mmu_.window().begin) / layout_.align];
}

template <class Cpus>
bool DynamicMemory<Cpus>::mend(VirtAddr at) noexcept {
    if (at < mmu_.window().begin) return false;
    KernelStack* const stack = slot_of(at).load(std::memory_order_acquire);
    if (stack == nullptr || at < stack->base) return false;
    const std::uint64_t page = at.page() - stack->base.page();
    if (page >= stack->first_mapped) return false;  // the guard behind, or no fault of ours
    Reserve& reserve = reserves_[stack->cpu];
    if (reserve.count < stack->first_mapped - page) {
        ++reserve.exhausted;
        return false;
    }
    while (stack->first_mapped > page) {
        if (!add_page(*stack, reserve.pages[reserve.count - 1])) return false;
        --reserve.count;
        ++reserve.grown;
    }
    return true;
}

/// The next page down. Async-signal-safe.
template <class Cpus>
bool DynamicMemory<Cpus>::add_page(KernelStack& stack, Pfn frame) noexcept {
    const std::uint64_t page = stack.first_mapped - 1;
    if (!mmu_.fill(page_of(stack, page), frame)) return false;
    stack.frames[page] = frame;
    stack.first_mapped = page;
    if (page != 0) return true;
    stack.lowest_word = reinterpret_cast<std::uint64_t*>(stack.base.value());
    if (stack.task != no_task) *stack.lowest_word = stack_end_magic;
    return true;
}

// ---- for those who look ------------------------------------------------------------------------------

template <class Cpus>
std::optional<Pfn> DynamicMemory<Cpus>::frame_of(VirtAddr at) const {
    const AddressRange window = mmu_.window();
    const KernelStack* const stack = window.contains(at) ? slot_of(at).load() : nullptr;
    if (stack == nullptr || at < stack->base || at >= stack->base + layout_.size) return {};
    const std::uint64_t page = at.page() - stack->base.page();
    if (page < stack->first_mapped) return {};
    return stack->frames[page];
}

template <class Cpus>
StackStats DynamicMemory<Cpus>::stats() const {
    StackStats stats;
    stats.held_bytes = held_.load(std::memory_order_relaxed) << page_shift;
    stats.metadata_bytes = reserves_.metadata_bytes() + space_.metadata_bytes() +
                           (mmu_.window().end - mmu_.window().begin) / layout_.align * sizeof(Slot);
    for (CpuId c{0}; c.value() < reserves_.count(); ++c) {
        stats.grown_pages += reserves_[c].grown;
        stats.exhausted += reserves_[c].exhausted;
    }
    return stats;
}

template <class Cpus>
MaybeViolation DynamicMemory<Cpus>::find_bad(const KernelStack& stack) const {
    if (slot_of(stack.base).load() != &stack || stack.first_mapped >= layout_.pages()) {
        return violation("V5", "stack {:#x} is not where its addresses lead", stack.base.value());
    }
    return find_unguarded(mmu_, stack, layout_.size);
}

template <class Cpus>
MaybeViolation DynamicMemory<Cpus>::find_violation(std::uint64_t stack_pages) const {
    for (CpuId c{0}; c.value() < reserves_.count(); ++c) stack_pages += reserves_[c].count;
    const std::uint64_t held = held_.load(std::memory_order_relaxed);
    if (held != stack_pages) {
        return violation("G8", "{} pages are taken, stacks and reserves have {}", held, stack_pages);
    }
    if (auto found = space_.find_violation()) return found;
    return mmu_.find_violation();
}

template class DynamicMemory<OwnedCpus>;

}  // namespace kmemlab

/// Part of kstack.cpp.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "allocators/kstack/task_stacks.hpp"

namespace kmemlab {

template <class Cpus, class Memory>
void TaskStacks<Cpus, Memory>::make_interrupt_stacks() {
    if (!config_.interrupt_stacks) return;
    for_each_cpu([&](CpuId cpu) {
        works_[cpu].interrupt = make(StackPlace::interrupt, cpu);
        if (works_[cpu].interrupt != nullptr) return;
        while (stacks_ != nullptr) release(*stacks_, cpu);
        throw UsageError::of("kstack: no memory for the interrupt stack of CPU {}", cpu.value());
    });
}

template <class Cpus, class Memory>
TaskStacks<Cpus, Memory>::~TaskStacks() {
    while (stacks_ != nullptr) delete std::exchange(stacks_, stacks_->next);
}

// ---- a task's life -----------------------------------------------------------------------------------

template <class Cpus, class Memory>
KernelStack* TaskStacks<Cpus, Memory>::create(TaskId task, CpuId cpu) {
    Work& work = works_[cpu];
    const std::optional<KernelStack*> cached = cache_.take(cpu);
    KernelStack* const stack = cached ? *cached : make(StackPlace::task, cpu);
    work.count(&CpuWork::allocations, cached ? Path::fast : stack != nullptr ? Path::large : Path::failed);
    if (stack == nullptr) return nullptr;
    if (cached) memory_.clear(*stack, cpu);
    hand_out(*stack, task, cpu);
    ++work.accounted;
    return stack;
}

template <class Cpus, class Memory>
void TaskStacks<Cpus, Memory>::hand_out(KernelStack& stack, TaskId task, CpuId cpu) {
    stack.task = task;
    stack.place = StackPlace::task;
    stack.cpu = cpu;
    stack.accounted = true;
    stack.used = task == no_task;
    stack.references.store(1, std::memory_order_relaxed);
    if (task == no_task) return;
    if (stack.lowest_word != nullptr) *stack.lowest_word = stack_end_magic;
}

template <class Cpus, class Memory>
StackUse TaskStacks<Cpus, Memory>::use(KernelStack& stack, std::size_t depth, CpuId cpu) {
    Work& work = works_[cpu];
    stack.cpu = cpu;
    stack.used = true;
    const StackUse found = memory_.write(stack, depth, cpu);
    if (found.outcome == StackUse::Outcome::fine && depth > layout().size) ++work.silent_overflows;
    if (found.outcome != StackUse::Outcome::overflow) return found;
    ++work.guard_hits;
    report(
        MisuseKind::stack_overflow, found.address,
        fmt::format("BUG: TASK stack guard page was hit at {:#x} (stack is {:#x}..{:#x}): task {} on CPU "
                    "{} used {} bytes of {}\n",
                    found.address.value(), stack.base.value(), stack.base.value() + layout().size, stack.task,
                    cpu.value(), stack.base.value() + layout().size - found.address.value(), layout().size));
    return found;
}

template <class Cpus, class Memory>
bool TaskStacks<Cpus, Memory>::is_intact(const KernelStack& stack) {
    const std::uint64_t* const lowest = stack.lowest_word;
    if (stack.task == no_task || lowest == nullptr || *lowest == stack_end_magic) return true;
    ++works_[stack.cpu].corrupted_ends;
    report(
        MisuseKind::overwritten, stack.base,
        fmt::format("corrupted stack end detected: task {} (stack is {:#x}..{:#x}, {} bytes used) has {:#x} "
                    "at its end, expected {:#x}\n",
                    stack.task, stack.base.value(), stack.base.value() + layout().size, used_bytes(stack),
                    *lowest, stack_end_magic));
    return false;
}

template <class Cpus, class Memory>
void TaskStacks<Cpus, Memory>::report(MisuseKind kind, VirtAddr at, std::string text) {
    log_.report({kind, reinterpret_cast<void*>(at.value()), "kernel stack", std::move(text)});
}

template <class Cpus, class Memory>
void TaskStacks<Cpus, Memory>::exit(KernelStack& stack, CpuId cpu) {
    if (!stack.accounted) {
        return report(MisuseKind::double_free, stack.base,
                      fmt::format("task {} exits a second time\n", stack.task));
    }
    Work& work = works_[cpu];
    stack.cpu = cpu;
    static_cast<void>(is_intact(stack));
    if (config_.usage) {
        const std::size_t used = used_bytes(stack);
        work.depths.add(used);
        work.deepest = std::max(work.deepest, used);
    }
    stack.accounted = false;
    --work.accounted;
    put(stack, cpu);
}

template <class Cpus, class Memory>
void TaskStacks<Cpus, Memory>::put(KernelStack& stack, CpuId cpu) {
    if (stack.references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    const bool cached = cache(stack, cpu);
    works_[cpu].count(&CpuWork::frees, cached ? Path::fast : Path::discard);
    if (cached) return;
    stack.place = StackPlace::pending;
    stack.cpu = cpu;
    works_[cpu].pending.push_back(&stack);
}

template <class Cpus, class Memory>
bool TaskStacks<Cpus, Memory>::cache(KernelStack& stack, CpuId cpu) {
    if (!Memory::cached || !config_.cache || !cache_.put(&stack, cpu)) return false;
    stack.place = StackPlace::cached;
    stack.cpu = cpu;
    return true;
}

template <class Cpus, class Memory>
void TaskStacks<Cpus, Memory>::end_grace_period(CpuId cpu) {
    std::vector<KernelStack*>& pending = works_[cpu].pending;
    for (KernelStack* const stack : pending) {
        if (!cache(*stack, cpu)) release(*stack, cpu);
    }
    pending.clear();
}

template <class Cpus, class Memory>
void TaskStacks<Cpus, Memory>::offline(CpuId cpu) {
    while (const std::optional<KernelStack*> stack = cache_.take(cpu)) release(**stack, cpu);
}

template <class Cpus, class Memory>
void TaskStacks<Cpus, Memory>::drain(CpuId cpu) {
    for_each_cpu([&](CpuId c) {
        end_grace_period(c);
        offline(c);
    });
    memory_.drain(cpu);
}

// ---- memory ------------------------------------------------------------------------------------------

template <class Cpus, class Memory>
KernelStack* TaskStacks<Cpus, Memory>::make(StackPlace place, CpuId cpu) {
    auto* const stack = new KernelStack;
    stack->place = place;
    stack->cpu = cpu;
    if (!memory_.make(*stack, cpu)) {
        delete stack;
        return nullptr;
    }
    top_page(*stack).owner = stack;
    const LockGuard guard{cpus_, list_lock_, cpu};
    stack->next = stacks_;
    if (stacks_ != nullptr) stacks_->prev = stack;
    stacks_ = stack;
    ++count_;
    return stack;
}

template <class Cpus, class Memory>
void TaskStacks<Cpus, Memory>::release(KernelStack& stack, CpuId cpu) {
    {
        const LockGuard guard{cpus_, list_lock_, cpu};
        (stack.prev != nullptr ? stack.prev->next : stacks_) = stack.next;
        if (stack.next != nullptr) stack.next->prev = stack.prev;
        --count_;
    }
    top_page(stack).owner = nullptr;  // a tail of a direct block, which nobody else clears (B13)
    memory_.give(stack, cpu);
    delete &stack;
}

/// By the owner of its highest page, which every kind has from the start.
template <class Cpus, class Memory>
KernelStack* TaskStacks<Cpus, Memory>::find(VirtAddr base) const {
    const std::optional<Pfn> top = memory_.frame_of(base + (layout().size - page_size));
    if (!top) return nullptr;
    auto* const stack = static_cast<KernelStack*>(memory_.arena().page(*top).owner);
    return stack != nullptr && stack->base == base && stack->place == StackPlace::task ? stack : nullptr;
}

// ---- for those who look ------------------------------------------------------------------------------

template <class Cpus, class Memory>
StackStats TaskStacks<Cpus, Memory>::stats() const {
    const AllocatorStats sum = sum_of(works_);
    StackStats stats = memory_.stats();
    stats.metadata_bytes += sizeof *this + sum.metadata_bytes + count_ * sizeof(KernelStack);
    stats.allocations = sum.allocations;
    stats.frees = sum.frees;
    stats.reused = sum.allocations[static_cast<std::size_t>(Path::fast)];
    stats.created = stats.reused + sum.allocations[static_cast<std::size_t>(Path::large)];
    stats.failed = sum.allocations[static_cast<std::size_t>(Path::failed)];
    std::int64_t accounted = 0;
    std::size_t deepest = 0;
    for_each_cpu([&](CpuId c) {
        const Work& work = works_[c];
        accounted += work.accounted;
        stats.pending += work.pending.size();
        stats.guard_hits += work.guard_hits;
        stats.corrupted_ends += work.corrupted_ends;
        deepest = std::max(deepest, work.deepest);
        for (std::size_t i = 0; i < StackHistogram::buckets; ++i)
            stats.depths.tasks[i] += work.depths.tasks[i];
        for (const auto& slot : cache_.slots(c)) stats.cached += slot ? 1 : 0;
    });
    stats.accounted = static_cast<std::uint64_t>(accounted);
    stats.lowest_free_bytes = layout().size - deepest;
    for (const KernelStack* stack = stacks_; stack != nullptr; stack = stack->next) {
        if (stack->place != StackPlace::task) continue;
        stats.held_by_tasks += (layout().pages() - stack->first_mapped) << page_shift;
    }
    return stats;
}

template <class Cpus, class Memory>
std::vector<Text> TaskStacks<Cpus, Memory>::texts() const {
    const StackStats now = stats();
    const std::uint64_t kilobytes = (now.accounted * layout().size) >> 10;
    std::string vmstat = fmt::format("nr_kernel_stack {}\n", kilobytes);
    if (config_.usage) vmstat += histogram_lines(now.depths, layout().size);
    return {{"proc/meminfo", kernel_stack_line(kilobytes)}, {"proc/vmstat", std::move(vmstat)}};
}

template <class Cpus, class Memory>
MaybeViolation TaskStacks<Cpus, Memory>::find_violation() const {
    if (auto found = find_misplaced()) return found;
    std::int64_t accounted = 0;
    std::uint64_t pages = 0;
    for (const KernelStack* stack = stacks_; stack != nullptr; stack = stack->next) {
        if (auto found = find_bad(*stack)) return found;
        accounted += stack->accounted ? 1 : 0;
        pages += layout().pages() - stack->first_mapped;
    }
    for_each_cpu([&](CpuId c) { accounted -= works_[c].accounted; });
    if (accounted != 0) return violation("K5", "{} tasks live that are not accounted", accounted);
    return memory_.find_violation(pages);
}

/// K4: slots, waiting lists and stacks agree.
template <class Cpus, class Memory>
MaybeViolation TaskStacks<Cpus, Memory>::find_misplaced() const {
    std::map<const KernelStack*, unsigned> places;
    MaybeViolation bad;
    const auto enter = [&](const KernelStack* stack, StackPlace place, CpuId cpu) {
        ++places[stack];
        if (stack->place == place && stack->cpu == cpu) return;
        bad = violation("K4", "stack {:#x} is kept by CPU {} and thinks that it is elsewhere",
                        stack->base.value(), cpu.value());
    };
    for_each_cpu([&](CpuId c) {
        for (const auto& slot : cache_.slots(c)) {
            if (slot) enter(*slot, StackPlace::cached, c);
        }
        for (const KernelStack* stack : works_[c].pending) enter(stack, StackPlace::pending, c);
        if (works_[c].interrupt != nullptr) enter(works_[c].interrupt, StackPlace::interrupt, c);
    });
    if (bad) return bad;
    std::uint64_t count = 0;
    for (const KernelStack* stack = stacks_; stack != nullptr; stack = stack->next, ++count) {
        const auto kept = places.find(stack);
        const unsigned times = kept == places.end() ? 0 : kept->second;
        if (times == (stack->place == StackPlace::task ? 0U : 1U)) continue;
        return violation("K4", "stack {:#x} is in {} places", stack->base.value(),
                         times + (stack->place == StackPlace::task ? 1 : 0));
    }
    if (count != count_) return violation("K4", "{} stacks are listed, counted {}", count, count_);
    return {};
}

template <class Cpus, class Memory>
MaybeViolation TaskStacks<Cpus, Memory>::find_bad(const KernelStack& stack) const {
    if (stack.base.value() % layout().align != 0) {
        return violation("K2", "stack {:#x} is not aligned to {}", stack.base.value(), layout().align);
    }
    const std::uint32_t references = stack.references.load(std::memory_order_relaxed);
    if ((references != 0) != (stack.place == StackPlace::task) || (stack.accounted && references == 0)) {
        return violation("K7", "stack {:#x} of task {} has {} references", stack.base.value(), stack.task,
                         references);
    }
    if (auto found = memory_.find_bad(stack)) return found;
    if (stack.place == StackPlace::task && !is_zero(stack)) {
        return violation("K3", "stack {:#x} was handed out to task {} and is not zero", stack.base.value(),
                         stack.task);
    }
    return {};
}

/// True also if nobody can say any more: the task or an overflowing neighbour may have written.
template <class Cpus, class Memory>
bool TaskStacks<Cpus, Memory>::is_zero(const KernelStack& stack) const {
    std::uint64_t overflows = 0;
    for_each_cpu([&](CpuId c) { overflows += works_[c].silent_overflows; });
    if (stack.used || overflows != 0) return true;
    const std::uint64_t* const lowest = stack.lowest_word;
    return used_bytes(stack) == 0 && (lowest == nullptr || *lowest == stack_end_magic);
}

}  // namespace kmemlab

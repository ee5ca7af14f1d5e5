/// TaskStacks: what all kernel stacks have in common, over the memory that one kind of them is made of.
///
///     create: a slot of the CPU, cleared; else new memory, zero
///        |
///     [ task ]    exit: no longer accounted;   put: one reference less
///        | the last one
///     room in a slot of the CPU? ---- yes ---> [ cached ]    offline: freed
///        | no                                      ^
///     [ pending ] ---- end of grace period: room? -+- no: freed
///
/// `Memory` is DirectMemory, VmappedMemory or DynamicMemory and says by `Memory::cached` whether there are
/// slots. Each stack that exists is on one list, from the moment its memory is there until it is given back.
///
/// Follows Linux 6.1 (VM-70..74). Laws checked: K1..K7, G8. Differences:
///  - A grace period ends when the caller says so (end_grace_period); nothing runs by itself.
///  - The histogram of depths came after 6.1.
///  - A task writes to its stack by use(). Whoever writes by an address does so at its own risk.
/// Locks: one for the list. Slots, waiting stacks and counters of a CPU belong to whoever runs on it.
#pragma once

#include <utility>
#include <vector>

#include "allocators/base/misuse.hpp"
#include "allocators/kstack/kernel_stacks.hpp"
#include "allocators/kstack/stack_cache.hpp"
#include "allocators/kstack/stack_config.hpp"
#include "allocators/objects/cpu_work.hpp"

namespace kmemlab {

template <class Cpus, class Memory>
class TaskStacks {
  public:
    /// `memory` builds the memory, of stacks of `config.layout()`. Throws UsageError if the architecture
    /// cannot have such stacks, or there is no memory for the interrupt stacks.
    template <class... Parts>
    TaskStacks(Cpus& cpus, const StackConfig& config, MisuseLog& misuse, Parts&&... memory)
        : cpus_{cpus},
          config_{config},
          log_{misuse},
          memory_{cpus, config, std::forward<Parts>(memory)...},
          cache_{cpus.count()},
          works_{cpus.count()} {
        make_interrupt_stacks();
    }
    ~TaskStacks();
    TaskStacks(const TaskStacks&) = delete;
    TaskStacks& operator=(const TaskStacks&) = delete;

    // The concept KernelStacks.
    [[nodiscard]] KernelStack* create(TaskId task, CpuId cpu);
    StackUse use(KernelStack& stack, std::size_t depth, CpuId cpu);
    [[nodiscard]] bool populate(KernelStack& stack, CpuId cpu) { return memory_.populate(stack, cpu); }
    [[nodiscard]] KernelStack* find(VirtAddr base) const;
    void get(KernelStack& stack) { stack.references.fetch_add(1, std::memory_order_relaxed); }
    void put(KernelStack& stack, CpuId cpu);
    void exit(KernelStack& stack, CpuId cpu);
    void end_grace_period(CpuId cpu);
    void offline(CpuId cpu);
    bool is_intact(const KernelStack& stack);
    [[nodiscard]] const ThreadLayout& layout() const { return memory_.layout(); }
    [[nodiscard]] StackStats stats() const;
    [[nodiscard]] Path last_path(CpuId cpu) { return std::exchange(works_[cpu].path, Path::fast); }
    void drain(CpuId cpu);
    [[nodiscard]] MaybeViolation find_violation() const;
    [[nodiscard]] std::vector<Text> texts() const;

    /// The stack on which a CPU serves interrupts; nullptr if the configuration has none.
    [[nodiscard]] const KernelStack* interrupt_stack(CpuId cpu) const { return works_[cpu].interrupt; }
    /// The deepest that a task has gone, now.
    [[nodiscard]] std::size_t used_bytes(const KernelStack& stack) const {
        return used_depth(stack, memory_.arena(), layout().pages());
    }
    [[nodiscard]] Memory& memory() { return memory_; }

    struct Inside;  ///< for tests that break it

  private:
    using Slots = typename StackCache<KernelStack*>::Slots;
    struct Work : CpuWork {
        std::vector<KernelStack*> pending;  ///< for a grace period
        KernelStack* interrupt = nullptr;
        std::int64_t accounted = 0;  ///< tasks created less tasks exited here; the sum over CPUs counts
        std::uint64_t guard_hits = 0;
        std::uint64_t corrupted_ends = 0;
        std::uint64_t silent_overflows = 0;
        StackHistogram depths;
        std::size_t deepest = 0;
    };

    void make_interrupt_stacks();
    /// A stack of new memory, on the list; nullptr: none.
    [[nodiscard]] KernelStack* make(StackPlace place, CpuId cpu);
    /// Zero, whole, and the task's.
    void hand_out(KernelStack& stack, TaskId task, CpuId cpu);
    [[nodiscard]] Page& top_page(const KernelStack& stack) const {
        return memory_.arena().page(stack.frames[layout().pages() - 1]);
    }
    [[nodiscard]] bool cache(KernelStack& stack, CpuId cpu);
    void release(KernelStack& stack, CpuId cpu);
    void report(MisuseKind kind, VirtAddr at, std::string text);

    [[nodiscard]] MaybeViolation find_misplaced() const;
    [[nodiscard]] MaybeViolation find_bad(const KernelStack& stack) const;
    [[nodiscard]] bool is_zero(const KernelStack& stack) const;
    template <class F>
    void for_each_cpu(F&& f) const {
        for (CpuId c{0}; c.value() < works_.count(); ++c) f(c);
    }

    Cpus& cpus_;
    StackConfig config_;
    MisuseLog& log_;
    Memory memory_;
    StackCache<KernelStack*> cache_;
    PerCpu<Work> works_;
    typename Cpus::Lock list_lock_;
    KernelStack* stacks_ = nullptr;
    std::uint64_t count_ = 0;
};

}  // namespace kmemlab

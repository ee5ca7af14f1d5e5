/// Kernel stacks, direct ones and mapped ones over a software MMU: tasks fork, run, are looked at and exit.
///
/// The model knows each task's references, how deep it went, and whether it reached the end of its stack. A
/// stack is judged when it is handed out (K1..K3, V5), at each use (an overflow is reported once, K6) and by
/// what stats() say of all (K5); a null (M1) by the pages and addresses that were there. Dynamic stacks grow
/// by real faults and are left to tests/kstack.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "allocators/kstack/stacks.hpp"
#include "fuzz/machines/mapping_machine.hpp"

namespace kmemlab::fuzz {

/// What the two kinds stand on.
struct DirectBelow {
    using Stacks = DirectStacks<OwnedCpus>;
    static constexpr bool guarded = false;

    template <class Pages>
    DirectBelow(Pages& pages, SoftMmu&, OwnedCpus& cpus, VmallocConfig, const StackConfig& config,
                MisuseLog& log)
        : stacks{cpus, config, log, pages} {}

    Stacks stacks;
};
struct MappedBelow {
    using Stacks = VmappedStacks<OwnedCpus, SoftMmu>;
    static constexpr bool guarded = true;

    template <class Pages>
    MappedBelow(Pages& pages, SoftMmu& mmu, OwnedCpus& cpus, VmallocConfig vmalloc_config,
                const StackConfig& config, MisuseLog& log)
        : vmalloc{pages, mmu, cpus, vmalloc_config, log}, stacks{cpus,          config, log,
                                                                 pages.arena(), mmu,    vmalloc} {}

    Vmalloc<OwnedCpus, SoftMmu> vmalloc;
    Stacks stacks;
};

template <class Below>
class StackMachine final : public MappingMachine {
  public:
    StackMachine(const Setup& setup, const Language& language, StackConfig stacks = {},
                 VmallocConfig vmalloc = {})
        : MappingMachine{setup, language, stacks, vmalloc},
          config_{stacks},
          below_{std::make_unique<Below>(pages_, *mmu_, cpus_, vmalloc, stacks, log_)} {}

    void perform(const Operation& op) override;
    [[nodiscard]] MaybeViolation find_violation() override;
    void tear_down() override;
    [[nodiscard]] std::string describe() const override;

  private:
    struct Task {
        KernelStack* stack = nullptr;
        TaskId id = 0;
        std::size_t depth = 0;  ///< deepest so far, in whole words
        unsigned lookers = 0;
        bool exited = false;
        [[nodiscard]] bool empty() const { return stack == nullptr; }
    };

    [[nodiscard]] auto& stacks() { return below_->stacks; }
    [[nodiscard]] const ThreadLayout& layout() const { return below_->stacks.layout(); }
    void fork(const Operation& op);
    void run(Task& task, const Operation& op);
    void exit(Task& task, CpuId cpu);
    void forget(Task& task, CpuId cpu);
    void move_neighbour(const Operation& op);
    void misuse(const Operation& op);
    void judge_null(std::uint64_t refused_before, CpuId cpu);
    void judge_new(const Task& task);
    [[nodiscard]] MaybeViolation find_miscount();
    [[nodiscard]] std::uint64_t pages_held() const { return below_->stacks.stats().held_bytes >> page_shift; }

    StackConfig config_;
    std::unique_ptr<Below> below_;
    Slots<Task> tasks_;
    std::vector<VirtAddr> neighbours_;  ///< areas between the stacks
    TaskId forked_ = 0;
    std::uint64_t measured_ = 0;  ///< tasks that exited, their depth entered
};

template <class Below>
void StackMachine<Below>::perform(const Operation& op) {
    const CpuId cpu = cpu_of(op);
    Task* const task = tasks_.next_full(op.slot);
    switch (op.kind) {
        case OpKind::fork:
            fork(op);
            break;
        case OpKind::release:
            if (task != nullptr && !task->exited) exit(*task, cpu);
            break;
        case OpKind::run:
            if (task != nullptr && !task->exited) run(*task, op);
            break;
        case OpKind::look:
            if (task != nullptr && task->lookers < 4) {
                stacks().get(*task->stack);
                ++task->lookers;
            }
            break;
        case OpKind::forget:
            if (task != nullptr && task->lookers > 0) forget(*task, cpu);
            break;
        case OpKind::grace:
            stacks().end_grace_period(cpu);
            break;
        case OpKind::offline:
            stacks().offline(cpu);
            break;
        case OpKind::drain:
            stacks().drain(cpu);
            buddy_.drain(cpu);
            if (const StackStats now = stacks().stats(); now.cached != 0 || now.pending != 0)
                break_law("K4", "{} stacks are cached and {} wait after a drain", now.cached, now.pending);
            break;
        case OpKind::area:
            if constexpr (Below::guarded) move_neighbour(op);
            break;
        case OpKind::fail:
            fail(op);
            break;
        case OpKind::walk:
            for (const Text& text : stacks().texts()) {
                if (text.content.empty()) break_law("text", "{} is empty", text.name);
            }
            break;
        default:
            return misuse(op);
    }
    judge_operation();
}

// --- Judgement ---

/// M1: pages and addresses were there.
template <class Below>
void StackMachine<Below>::judge_null(std::uint64_t refused_before, CpuId cpu) {
    if (pages_.refused() != refused_before) return;
    if constexpr (Below::guarded) {
        const std::uint64_t bytes = layout().size + page_size;
        if (!addresses_to_be_had(below_->vmalloc.space(), bytes, layout().align)) return;
        if (!pages_to_be_had(layout().pages(), GFP_KERNEL, cpu)) return;
    } else {
        const auto block = buddy_.take(layout().order(), GFP_KERNEL_ACCOUNT, cpu);
        if (!block) return;
        buddy_.give(*block, layout().order(), cpu);
    }
    break_law("M1", "no stack, but memory for one was there");
}

/// K1..K3, V5.
template <class Below>
void StackMachine<Below>::judge_new(const Task& task) {
    const KernelStack& stack = *task.stack;
    const std::uint64_t base = stack.base.value();
    const std::size_t align = Below::guarded ? layout().align : layout().size;
    if (base % align != 0) return break_law("K2", "stack {:#x} is not aligned to {}", base, align);
    for (const Task& other : tasks_.all()) {
        if (!other.empty() && &other != &task && base < other.stack->base.value() + layout().size &&
            other.stack->base.value() < base + layout().size)
            return break_law("G1", "stack {:#x} overlaps that of task {}", base, other.id);
    }
    for (std::uint64_t page = 0; page < layout().pages(); ++page) {
        const std::byte* const bytes = arena_.address(stack.frames[page]);
        if constexpr (Below::guarded) {
            if (mmu_->frame_of(stack.base.plus_pages(page)) != stack.frames[page])
                return break_law("V5", "page {} of stack {:#x} is not mapped to its frame", page, base);
        }
        const std::size_t magic = page == 0 ? sizeof stack_end_magic : 0;
        if (page == 0 && std::memcmp(bytes, &stack_end_magic, magic) != 0)
            return break_law("K3", "stack {:#x} is handed out without an end magic", base);
        if (!oracle::is_zero(bytes + magic, page_size - magic))
            return break_law("K3", "page {} of stack {:#x} is not zero", page, base);
    }
    if constexpr (Below::guarded) {
        if (mmu_->frame_of(VirtAddr{base - 1}) || mmu_->frame_of(stack.base + layout().size))
            return break_law("K1", "a page beside stack {:#x} is mapped", base);
    }
}

// --- A task's life ---

template <class Below>
void StackMachine<Below>::fork(const Operation& op) {
    Task* const task = tasks_.next_empty(op.slot);
    if (task == nullptr) return;
    const CpuId cpu = cpu_of(op);
    const std::uint64_t refused = pages_.refused();
    KernelStack* const stack = stacks().create(++forked_, cpu);
    if (stack == nullptr) {
        judge_null(refused, cpu);
        if (auto found = find_miscount()) break_law(std::move(*found));
        return;
    }
    *task = {.stack = stack, .id = forked_};
    judge_new(*task);
}

template <class Below>
void StackMachine<Below>::run(Task& task, const Operation& op) {
    const std::size_t size = layout().size;
    // Nobody sees a direct stack overflow, and what lies below may be anything.
    const std::size_t depth = op.size % ((Below::guarded ? 2 * size : size) + 1);
    const std::size_t first = reports_.size();
    const StackUse use = stacks().use(*task.stack, depth, cpu_of(op));
    const std::size_t reached =
        (depth + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t) * sizeof(std::uint64_t);
    task.depth = std::max(task.depth, std::min(reached, size));
    if (reached > size) {
        const std::uint64_t base = task.stack->base.value();
        if (use.outcome != StackUse::Outcome::overflow)
            return break_law("K6", "{} bytes of a stack of {} met no guard", depth, size);
        if (use.address.value() >= base || use.address.value() + page_size < base)
            return break_law("K6", "the guard of stack {:#x} was hit at {:#x}", base, use.address.value());
        if (reports_.size() != first + 1 || reports_[first].kind != MisuseKind::stack_overflow)
            return break_law("G11", "{} reports of an overflow", reports_.size() - first);
        reports_.resize(first);
        return;
    }
    if (use.outcome != StackUse::Outcome::fine)
        return break_law("K6", "{} bytes of a stack of {} could not be used", depth, size);
    // Who used all of it has written over the end magic, and no longer knows how deep that was.
    if (task.depth < size && stacks().used_bytes(*task.stack) != task.depth)
        break_law("K3", "a task that used {} bytes is said to have used {}", task.depth,
                  stacks().used_bytes(*task.stack));
}

template <class Below>
void StackMachine<Below>::exit(Task& task, CpuId cpu) {
    const bool overwritten = task.depth >= layout().size;
    const std::size_t first = reports_.size();
    task.exited = true;
    ++measured_;
    stacks().exit(*task.stack, cpu);
    const std::size_t told = reports_.size() - first;
    if (told != (overwritten ? 1 : 0) || (told == 1 && reports_[first].kind != MisuseKind::overwritten))
        break_law("G11", "{} reports about the end of a stack that was {}", told,
                  overwritten ? "overwritten" : "left alone");
    reports_.resize(first);
    if (task.lookers == 0) task = {};
}

template <class Below>
void StackMachine<Below>::forget(Task& task, CpuId cpu) {
    stacks().put(*task.stack, cpu);
    if (--task.lookers == 0 && task.exited) task = {};
}

/// Stacks share the window with others, who do not care for their alignment: some come, some go.
template <class Below>
void StackMachine<Below>::move_neighbour(const Operation& op) {
    Vmalloc<OwnedCpus, SoftMmu>& vmalloc = below_->vmalloc;
    if (neighbours_.size() >= 4) {
        const auto gone = neighbours_.begin() + op.count % 4;
        vmalloc.vfree(*gone, cpu_of(op));
        neighbours_.erase(gone);
    } else if (const auto at = vmalloc.vmalloc(1 + op.size % layout().size, cpu_of(op))) {
        neighbours_.push_back(*at);
    }
}

template <class Below>
void StackMachine<Below>::misuse(const Operation& op) {
    Task* const task = tasks_.next_full(op.slot);
    if (task == nullptr || task->lookers == 0) return;
    if (!task->exited) exit(*task, cpu_of(op));
    const std::size_t first = reports_.size();
    stacks().exit(*task->stack, cpu_of(op));
    judge_report(first, MisuseKind::double_free, MisuseKind::double_free);
}

// --- Walks ---

/// K5: what is accounted, and what was measured, is what the tasks are.
template <class Below>
MaybeViolation StackMachine<Below>::find_miscount() {
    const StackStats now = stacks().stats();
    std::uint64_t running = 0;
    std::uint64_t held = 0;
    for (const Task& task : tasks_.all()) {
        held += task.empty() ? 0 : layout().size;
        running += task.empty() || task.exited ? 0 : 1;
    }
    if (now.accounted != running)
        return violation("K5", "{} tasks are accounted, {} run", now.accounted, running);
    if (now.held_by_tasks != held)
        return violation("K7", "tasks hold {} bytes, their references {}", now.held_by_tasks, held);
    std::uint64_t entered = 0;
    for (const std::uint64_t tasks : now.depths.tasks) entered += tasks;
    if (entered != (config_.usage ? measured_ : 0))
        return violation("K5", "{} depths are entered, {} tasks exited", entered, measured_);
    return {};
}

template <class Below>
MaybeViolation StackMachine<Below>::find_violation() {
    if (auto found = stacks().find_violation()) return found;
    if (auto found = find_miscount()) return found;
    return find_violation_below(pages_held());
}

template <class Below>
void StackMachine<Below>::tear_down() {
    const CpuId cpu{0};
    pages_.fail_never();
    for (Task& task : tasks_.all()) {
        if (!task.empty() && !task.exited) exit(task, cpu);
        while (!task.empty()) forget(task, cpu);
    }
    if constexpr (Below::guarded) {
        for (const VirtAddr at : neighbours_) below_->vmalloc.vfree(at, cpu);
    }
    stacks().drain(cpu);
    judge_operation();
    if (auto found = find_violation()) return break_law(std::move(*found));
    // Interrupt stacks are for good.
    const std::uint64_t stay = config_.interrupt_stacks ? cpus_.count() * layout().pages() : 0;
    if (pages_held() != stay)
        break_law("G8", "{} pages are held when nothing lives, {} should be", pages_held(), stay);
    below_.reset();
    tear_down_below(stay);
}

template <class Below>
std::string StackMachine<Below>::describe() const {
    std::string text;
    for (std::size_t i = 0; i < slot_count; ++i) {
        const Task& task = tasks_.all()[i];
        if (task.empty()) continue;
        text += fmt::format("  slot {}: task {} used {} bytes, {} lookers{}\n", i, task.id, task.depth,
                            task.lookers, task.exited ? ", gone" : "");
    }
    return text;
}

}  // namespace kmemlab::fuzz

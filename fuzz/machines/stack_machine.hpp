/// Kernel stacks: tasks fork, run, are looked at and exit.
///
///     StackMachine<DirectBelow>           blocks of the direct map
///     StackMachine<MappedBelow<SoftMmu>>  areas of vmalloc over a software MMU
///     StackMachine<MappedBelow<HostMmu>>  the same over real mappings: an overflow is a real fault
///     StackMachine<DynamicBelow>          one page at first, more by real faults
///
/// The model knows each task's references, how deep it went, how many pages its stack has, and whether it
/// reached the end of its stack. A stack is judged when it is handed out (K1..K3, V5), at each use (an
/// overflow is reported once, K6; a dynamic stack grows as far as it is used, out of the CPU's reserve), at
/// each walk by its content (G4) and by what stats() say of all (K5); a null and a reserve that is not full
/// (M1) by the pages and addresses that were there. An empty reserve is an outcome like others.
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "allocators/kstack/stacks.hpp"
#include "fuzz/damage/stacks.hpp"
#include "fuzz/machines/mapping_machine.hpp"

namespace kmemlab::fuzz {

/// What the kinds stand on. Guarded: beside a stack nothing is mapped.
struct DirectBelow {
    using Mmu = SoftMmu;
    using Stacks = DirectStacks<OwnedCpus>;
    static constexpr bool guarded = false;
    static constexpr bool grows = false;

    template <class Pages>
    DirectBelow(Pages& pages, SoftMmu&, OwnedCpus& cpus, VmallocConfig, const StackConfig& config,
                MisuseLog& log)
        : stacks{cpus, config, log, pages} {}

    Stacks stacks;
};
template <class M>
struct MappedBelow {
    using Mmu = M;
    using Stacks = VmappedStacks<OwnedCpus, M>;
    static constexpr bool guarded = true;
    static constexpr bool grows = false;

    template <class Pages>
    MappedBelow(Pages& pages, M& mmu, OwnedCpus& cpus, VmallocConfig vmalloc_config,
                const StackConfig& config, MisuseLog& log)
        : vmalloc{pages, mmu, cpus, vmalloc_config, log}, stacks{cpus,          config, log,
                                                                 pages.arena(), mmu,    vmalloc} {}

    Vmalloc<OwnedCpus, M> vmalloc;
    Stacks stacks;
};
struct DynamicBelow {
    using Mmu = HostMmu;
    using Stacks = DynamicStacks<OwnedCpus>;
    static constexpr bool guarded = true;
    static constexpr bool grows = true;

    template <class Pages>
    DynamicBelow(Pages& pages, HostMmu& mmu, OwnedCpus& cpus, VmallocConfig, const StackConfig& config,
                 MisuseLog& log)
        : stacks{cpus, config, log, pages, mmu} {}

    Stacks stacks;
};

template <class Below>
class StackMachine final : public MappingMachineOn<typename Below::Mmu> {
    using Base = MappingMachineOn<typename Below::Mmu>;

  public:
    StackMachine(const Setup& setup, const Language& language, StackConfig stacks = {},
                 VmallocConfig vmalloc = {})
        : Base{setup, language, stacks, vmalloc},
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
        std::size_t depth = 0;    ///< deepest so far, in whole words
        std::uint64_t pages = 0;  ///< of its stack that have memory, from the top down
        unsigned lookers = 0;
        bool exited = false;
        [[nodiscard]] bool empty() const { return stack == nullptr; }
    };

    [[nodiscard]] auto& stacks() { return below_->stacks; }
    [[nodiscard]] const ThreadLayout& layout() const { return below_->stacks.layout(); }
    void fork(const Operation& op);
    void run(Task& task, const Operation& op);
    void reach(Task& task, const Operation& op);
    void populate(Task& task, CpuId cpu);
    void exit(Task& task, CpuId cpu);
    void forget(Task& task, CpuId cpu);
    void leave(Task& task);
    void move_neighbour(const Operation& op);
    void damage(const Operation& op);
    void misuse(const Operation& op);
    void judge_drained();
    void judge_null(std::uint64_t refused_before, CpuId cpu);
    void judge_new(const Task& task, bool reused);
    [[nodiscard]] bool page_to_be_had(CpuId cpu);
    /// What growth is judged against, from before the use.
    struct Before {
        std::uint64_t refused = 0;
        std::uint64_t reserved = 0;
        std::uint64_t grown = 0;
        std::uint64_t exhausted = 0;
    };
    [[nodiscard]] Before before(CpuId cpu);
    void judge_reserve(std::uint64_t filled, std::uint64_t refused_before, CpuId cpu);
    void judge_growth(Task& task, std::size_t reached, const StackUse& use, const Before& before, CpuId cpu);
    [[nodiscard]] std::uint64_t pages_of(const KernelStack& stack) const {
        return layout().pages() - stack.first_mapped;
    }
    [[nodiscard]] std::uint64_t first_pages() const { return Below::grows ? 1 : layout().pages(); }
    [[nodiscard]] MaybeViolation find_change(const Task& task) const;
    [[nodiscard]] MaybeViolation find_miscount();
    [[nodiscard]] std::uint64_t pages_held() const { return below_->stacks.stats().held_bytes >> page_shift; }

    using Base::addresses_to_be_had;
    using Base::arena_;
    using Base::break_law;
    using Base::broken;
    using Base::buddy_;
    using Base::cpu_of;
    using Base::cpus_;
    using Base::judge_operation;
    using Base::log_;
    using Base::mmu_;
    using Base::pages_;
    using Base::refused;
    using Base::reports_;

    /// Stacks are used by pointers, and faults are real.
    static constexpr bool on_host = std::same_as<typename Below::Mmu, HostMmu>;

    StackConfig config_;
    std::unique_ptr<Below> below_;
    Slots<Task> tasks_;
    std::map<VirtAddr, std::uint64_t> left_;  ///< pages of stacks when their last reference went
    std::vector<VirtAddr> neighbours_;        ///< areas between the stacks
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
        case OpKind::reach:
            if constexpr (on_host) {
                if (task != nullptr && !task->exited) reach(*task, op);
            }
            break;
        case OpKind::populate:
            if (task != nullptr && !task->exited) populate(*task, cpu);
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
            judge_drained();
            break;
        case OpKind::area:
            if constexpr (requires { below_->vmalloc; }) move_neighbour(op);
            break;
        case OpKind::fail:
            Base::fail(op);
            break;
        case OpKind::walk:
            for (const Text& text : stacks().texts()) {
                if (text.content.empty()) break_law("text", "{} is empty", text.name);
            }
            break;
        case OpKind::damage:
            damage(op);
            break;
        default:
            return misuse(op);
    }
    judge_operation();
}

template <class Below>
void StackMachine<Below>::damage(const Operation& op) {
    using Part = StackPart<Below>;
    std::vector<Part> parts;
    for (const Task& task : tasks_.all()) {
        if (!task.empty()) parts.push_back({stacks(), *task.stack, cpu_of(op)});
    }
    Machine::damage(op, std::span{parts}, std::span<const DamageKind<Part>>{StackDamages<Below>::kinds},
                    [&] { return stacks().find_violation(); });
}

// --- Judgement ---

template <class Below>
void StackMachine<Below>::judge_drained() {
    if (const StackStats now = stacks().stats(); now.cached != 0 || now.pending != 0)
        break_law("K4", "{} stacks are cached and {} wait after a drain", now.cached, now.pending);
    if constexpr (Below::grows) {
        for (CpuId cpu{0}; cpu.value() < cpus_.count(); ++cpu) {
            if (const std::uint64_t left = stacks().memory().reserved_pages(cpu); left != 0)
                break_law("G8", "{} pages are reserved on cpu {} after a drain", left, cpu.value());
        }
    }
}

template <class Below>
bool StackMachine<Below>::page_to_be_had(CpuId cpu) {
    const auto page = buddy_.take(Order{0}, GFP_KERNEL_ACCOUNT, cpu);
    if (page) buddy_.give(*page, Order{0}, cpu);
    return page.has_value();
}

/// M1: pages and addresses were there.
template <class Below>
void StackMachine<Below>::judge_null(std::uint64_t refused_before, CpuId cpu) {
    if (refused() != refused_before) return;
    if constexpr (Below::grows) {
        if (!page_to_be_had(cpu)) return;
    } else if constexpr (Below::guarded) {
        const std::uint64_t bytes = layout().size + page_size;
        if (!addresses_to_be_had(below_->vmalloc.space(), bytes, layout().align)) return;
        if (!Base::pages_to_be_had(layout().pages(), GFP_KERNEL, cpu)) return;
    } else {
        const auto block = buddy_.take(layout().order(), GFP_KERNEL_ACCOUNT, cpu);
        if (!block) return;
        buddy_.give(*block, layout().order(), cpu);
    }
    break_law("M1", "no stack, but memory for one was there");
}

/// K1..K3, V5.
template <class Below>
void StackMachine<Below>::judge_new(const Task& task, bool reused) {
    const KernelStack& stack = *task.stack;
    const std::uint64_t base = stack.base.value();
    const std::size_t align = Below::guarded ? layout().align : layout().size;
    if (base % align != 0) return break_law("K2", "stack {:#x} is not aligned to {}", base, align);
    for (const Task& other : tasks_.all()) {
        if (!other.empty() && &other != &task && base < other.stack->base.value() + layout().size &&
            other.stack->base.value() < base + layout().size)
            return break_law("G1", "stack {:#x} overlaps that of task {}", base, other.id);
    }
    const auto left = left_.find(stack.base);
    const std::uint64_t due = !reused ? first_pages() : left == left_.end() ? 0 : left->second;
    if (task.pages != due)
        return break_law("V5", "stack {:#x} is handed out with {} pages, {} are due", base, task.pages, due);
    for (std::uint64_t page = stack.first_mapped; page < layout().pages(); ++page) {
        const std::byte* const bytes = arena_.address(stack.frames[page]);
        // Of pages that came by faults the MMU knows nothing.
        if (Below::guarded && (!Below::grows || page + 1 == layout().pages()) &&
            mmu_->frame_of(stack.base.plus_pages(page)) != stack.frames[page])
            return break_law("V5", "page {} of stack {:#x} is not mapped to its frame", page, base);
        const std::size_t magic = page == 0 ? sizeof stack_end_magic : 0;
        if (page == 0 && std::memcmp(bytes, &stack_end_magic, magic) != 0)
            return break_law("K3", "stack {:#x} is handed out without an end magic", base);
        if (!oracle::is_zero(bytes + magic, page_size - magic))
            return break_law("K3", "page {} of stack {:#x} is not zero", page, base);
    }
    if (stacks().find(stack.base) != &stack)
        return break_law("K4", "stack {:#x} is not found by its address", base);
    if constexpr (Below::guarded) {
        if (mmu_->frame_of(VirtAddr{base - 1}) || mmu_->frame_of(stack.base + layout().size))
            return break_law("K1", "a page beside stack {:#x} is mapped", base);
    }
}

// --- Growth ---

template <class Below>
typename StackMachine<Below>::Before StackMachine<Below>::before(CpuId cpu) {
    Before before{.refused = refused()};
    if constexpr (Below::grows) {
        const StackStats now = stacks().stats();
        before.reserved = stacks().memory().reserved_pages(cpu);
        before.grown = now.grown_pages;
        before.exhausted = now.exhausted;
    }
    return before;
}

/// M1: a reserve of which `filled` pages came is full, as far as there was memory.
template <class Below>
void StackMachine<Below>::judge_reserve(std::uint64_t filled, std::uint64_t refused_before, CpuId cpu) {
    if (filled > config_.reserve)
        return break_law("G8", "{} pages are in reserve, {} are asked for", filled, config_.reserve);
    if (filled == config_.reserve || refused() != refused_before || !page_to_be_had(cpu)) return;
    break_law("M1", "{} of {} pages are in reserve, but memory was there", filled, config_.reserve);
}

/// A task has used `reached` bytes: each page down to there came out of the reserve of its CPU, none beyond;
/// or the reserve was empty in front of the page that was hit.
template <class Below>
void StackMachine<Below>::judge_growth(Task& task, std::size_t reached, const StackUse& use,
                                       const Before& before, CpuId cpu) {
    const KernelStack& stack = *task.stack;
    const std::uint64_t needed = std::min((reached + page_size - 1) >> page_shift, layout().pages());
    const std::uint64_t had = std::exchange(task.pages, pages_of(stack));
    if (task.pages < had || task.pages > std::max(had, needed))
        return break_law("V5", "a stack of {} pages has {} after a use of {}", had, task.pages, needed);
    const StackStats now = stacks().stats();
    const std::uint64_t grown = task.pages - had;
    if (now.grown_pages - before.grown != grown)
        return break_law("K5", "{} pages are said to have come, {} did", now.grown_pages - before.grown,
                         grown);
    const std::uint64_t left = stacks().memory().reserved_pages(cpu);
    if (left + grown < before.reserved)
        return break_law("G8", "{} pages left the reserve, {} came to the stack", before.reserved - left,
                         grown);
    judge_reserve(left + grown, before.refused, cpu);
    const bool exhausted = use.outcome == StackUse::Outcome::exhausted;
    if (now.exhausted - before.exhausted != (exhausted ? 1 : 0))
        return break_law("K5", "an empty reserve was counted {} times", now.exhausted - before.exhausted);
    if (exhausted != (task.pages < needed))
        return break_law("K6", "a task that needs {} pages and has {} {}", needed, task.pages,
                         exhausted ? "was refused one" : "went on");
    if (!exhausted) return;
    if (left != 0) return break_law("K6", "a page was refused, {} were in reserve", left);
    if (use.address.page() + 1 != stack.base.page() + stack.first_mapped)
        break_law("K6", "stack {:#x} of {} pages could not grow at {:#x}", stack.base.value(), task.pages,
                  use.address.value());
}

/// A frame so large that its first access passes over pages: all of them come at once, or none. An access
/// beside the stack meets a guard.
template <class Below>
void StackMachine<Below>::reach(Task& task, const Operation& op) {
    const KernelStack& stack = *task.stack;
    const std::size_t size = layout().size;
    const std::size_t depth = op.size % (size + 2);
    const bool beside = depth == 0 || depth > size;
    const VirtAddr at{stack.base.value() + size - depth};
    const Before had = before(stack.cpu);
    const auto fault =
        fault_of([&] { static_cast<void>(*static_cast<volatile char*>(HostMmu::pointer(at))); });
    // The handler has changed the stack and the reserve behind the compiler's back.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    const std::uint64_t needed = beside ? 0 : (depth + page_size - 1) >> page_shift;
    const std::uint64_t missing = needed - std::min(needed, task.pages);
    const bool exhausted = missing > had.reserved;
    if (fault != (beside || exhausted ? std::optional{at} : std::nullopt))
        return break_law("K6",
                         "{} pages are missing and {} in reserve, and an access {} bytes below the top {}",
                         missing, had.reserved, depth, fault ? "was refused" : "went through");
    const Before now = before(stack.cpu);
    const std::uint64_t grown = exhausted ? 0 : missing;
    task.pages += grown;
    if (pages_of(stack) != task.pages || now.reserved + grown != had.reserved ||
        now.grown != had.grown + grown)
        return break_law("V5", "a stack that should have {} pages has {}, and the reserve {} of {}",
                         task.pages, pages_of(stack), now.reserved, had.reserved);
    if (now.exhausted != had.exhausted + (exhausted ? 1 : 0))
        break_law("K5", "an empty reserve was counted {} times", now.exhausted - had.exhausted);
}

template <class Below>
void StackMachine<Below>::populate(Task& task, CpuId cpu) {
    const Before had = before(cpu);
    const bool whole = stacks().populate(*task.stack, cpu);
    const std::uint64_t pages = std::exchange(task.pages, pages_of(*task.stack));
    if (task.pages < pages || whole != (task.pages == layout().pages()))
        return break_law("V5", "a stack of {} pages has {} when it was {}populated", pages, task.pages,
                         whole ? "" : "not ");
    if (before(cpu).reserved != had.reserved)
        return break_law("G8", "pages for all of a stack came from the reserve");
    if (!whole && refused() == had.refused && page_to_be_had(cpu))
        break_law("M1", "a stack was not populated, but memory was there");
}

// --- A task's life ---

template <class Below>
void StackMachine<Below>::fork(const Operation& op) {
    Task* const task = tasks_.next_empty(op.slot);
    if (task == nullptr) return;
    const CpuId cpu = cpu_of(op);
    const std::uint64_t refused_before = refused();
    const std::uint64_t reused = stacks().stats().reused;
    KernelStack* const stack = stacks().create(++forked_, cpu);
    if (stack == nullptr) {
        judge_null(refused_before, cpu);
        if (auto found = find_miscount()) break_law(std::move(*found));
        return;
    }
    *task = {.stack = stack, .id = forked_, .pages = pages_of(*stack)};
    if constexpr (Below::grows) judge_reserve(stacks().memory().reserved_pages(cpu), refused_before, cpu);
    judge_new(*task, stacks().stats().reused != reused);
}

template <class Below>
void StackMachine<Below>::run(Task& task, const Operation& op) {
    const std::size_t size = layout().size;
    // Nobody sees a direct stack overflow, and what lies below may be anything.
    const std::size_t depth = op.size % ((Below::guarded ? 2 * size : size) + 1);
    const std::size_t first = reports_.size();
    const Before had = before(cpu_of(op));
    const StackUse use = stacks().use(*task.stack, depth, cpu_of(op));
    const std::size_t reached =
        (depth + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t) * sizeof(std::uint64_t);
    if constexpr (Below::grows) judge_growth(task, reached, use, had, cpu_of(op));
    // Frames are a cache line apart: the lowest word of a page is written before the next is missed.
    task.depth = std::max(task.depth, std::min<std::size_t>(reached, task.pages << page_shift));
    if (broken() || (Below::grows && use.outcome == StackUse::Outcome::exhausted)) return;
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
    if (task.lookers == 0) leave(task);
}

template <class Below>
void StackMachine<Below>::forget(Task& task, CpuId cpu) {
    stacks().put(*task.stack, cpu);
    if (--task.lookers == 0 && task.exited) leave(task);
}

/// The last reference is gone; the stack keeps its pages as long as it is kept itself.
template <class Below>
void StackMachine<Below>::leave(Task& task) {
    left_[task.stack->base] = task.pages;
    task = {};
}

/// Stacks share the window with others, who do not care for their alignment: some come, some go.
template <class Below>
void StackMachine<Below>::move_neighbour(const Operation& op) {
    auto& vmalloc = below_->vmalloc;
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
    Base::judge_report(first, MisuseKind::double_free, MisuseKind::double_free);
}

// --- Walks ---

/// K5: what is accounted, and what was measured, is what the tasks are.
template <class Below>
MaybeViolation StackMachine<Below>::find_miscount() {
    const StackStats now = stacks().stats();
    std::uint64_t running = 0;
    std::uint64_t held = 0;
    for (const Task& task : tasks_.all()) {
        held += task.empty() ? 0 : task.pages << page_shift;
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

/// G4: the words that its frames wrote are in the stack's frames of memory, one of each page and the lowest.
template <class Below>
MaybeViolation StackMachine<Below>::find_change(const Task& task) const {
    const KernelStack& stack = *task.stack;
    const auto look = [&](std::size_t depth) -> MaybeViolation {
        const VirtAddr at{stack.base.value() + layout().size - depth};
        std::uint64_t word = 0;
        std::memcpy(&word, arena_.address(stack.frames[at.page() - stack.base.page()]) + at.offset(),
                    sizeof word);
        if (word == at.value()) return {};
        return violation("G4", "task {} wrote {:#x} to its stack, where {:#x} is found", task.id, at.value(),
                         word);
    };
    for (std::size_t depth = cache_line_size; depth <= task.depth; depth += page_size) {
        if (auto found = look(depth)) return found;
    }
    const std::size_t lowest = task.depth / cache_line_size * cache_line_size;
    return lowest == 0 ? MaybeViolation{} : look(lowest);
}

template <class Below>
MaybeViolation StackMachine<Below>::find_violation() {
    if (auto found = stacks().find_violation()) return found;
    if (auto found = find_miscount()) return found;
    for (const Task& task : tasks_.all()) {
        if (task.empty()) continue;
        if (auto found = find_change(task)) return found;
    }
    return Base::find_violation_below(pages_held());
}

template <class Below>
void StackMachine<Below>::tear_down() {
    const CpuId cpu{0};
    pages_.fail_never();
    for (Task& task : tasks_.all()) {
        if (!task.empty() && !task.exited) exit(task, cpu);
        while (!task.empty()) forget(task, cpu);
    }
    if constexpr (requires { below_->vmalloc; }) {
        for (const VirtAddr at : neighbours_) below_->vmalloc.vfree(at, cpu);
    }
    stacks().drain(cpu);
    judge_drained();
    judge_operation();
    if (auto found = find_violation()) return break_law(std::move(*found));
    // Interrupt stacks are for good.
    const std::uint64_t stay = config_.interrupt_stacks ? cpus_.count() * first_pages() : 0;
    if (pages_held() != stay)
        break_law("G8", "{} pages are held when nothing lives, {} should be", pages_held(), stay);
    below_.reset();
    Base::tear_down_below(stay);
}

template <class Below>
std::string StackMachine<Below>::describe() const {
    std::string text;
    for (std::size_t i = 0; i < slot_count; ++i) {
        const Task& task = tasks_.all()[i];
        if (task.empty()) continue;
        text += fmt::format("  slot {}: task {} used {} bytes of {} pages, {} lookers{}\n", i, task.id,
                            task.depth, task.pages, task.lookers, task.exited ? ", gone" : "");
    }
    return text;
}

}  // namespace kmemlab::fuzz

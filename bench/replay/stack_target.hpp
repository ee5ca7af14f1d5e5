/// StackTarget: kernel stacks together with those that a replay has got; see object_target.hpp. A task uses
/// its stack once, right after it was created and outside of what is timed, as deep as the distribution says.
/// What was asked for is that depth, so that memory over time tells requested from held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "allocators/contract/model.hpp"
#include "allocators/kstack/kernel_stacks.hpp"
#include "allocators/mmu/host_mmu.hpp"
#include "bench/replay/object_target.hpp"
#include "bench/stacks/depths.hpp"

namespace kmemlab::replay {

/// stacks() are kernel stacks; exit() ends a task, and the grace period of its stack at once.
template <class M>
concept StackModels = Model<M> && requires(M& m, KernelStack& stack, CpuId cpu) {
    requires KernelStacks<std::remove_cvref_t<decltype(m.stacks())>>;
    { m.exit(stack, cpu) } -> std::same_as<void>;
};

template <StackModels M>
class StackTarget {
  public:
    using ModelType = M;
    using Machine = M;

    StackTarget(const typename M::Config& config, const Workload& work)
        : machine_{config}, tasks_(work.slots) {}

    [[nodiscard]] Machine& machine() { return machine_; }
    [[nodiscard]] const Machine& machine() const { return machine_; }
    void open() {}
    [[nodiscard]] bool close() { return true; }

    template <Touch, class Around>
    void perform(const trace::Operation& op, Around&& around) {
        Task& task = tasks_[op.object()];
        if (op.kind() == trace::Kind::vmap_alloc) {
            KernelStack* stack = nullptr;
            around([&] { stack = machine_.stacks().create(op.object(), op.cpu()); });
            task = {stack, stack == nullptr ? 0 : used(*stack, op.cpu())};
        } else if (task.stack != nullptr) {
            around([&] { machine_.exit(*task.stack, op.cpu()); });
        }
    }

    /// What the task's frames lie in.
    [[nodiscard]] void* memory(const trace::Operation& op) const {
        const Task& task = tasks_[op.object()];
        if (task.stack == nullptr) return nullptr;
        return HostMmu::pointer(task.stack->base + (machine_.stacks().layout().size - task.depth));
    }
    [[nodiscard]] std::size_t requested(const trace::Operation& op) const {
        const Task& task = tasks_[op.object()];
        return task.stack == nullptr ? page_size : task.depth;
    }
    [[nodiscard]] std::size_t usable(const trace::Operation& op) const { return requested(op); }
    [[nodiscard]] std::size_t alignment(const trace::Operation&) const { return sizeof(std::uint64_t); }

  private:
    struct Task {
        KernelStack* stack = nullptr;
        std::size_t depth = 0;  ///< bytes that it could use
    };

    /// The deepest word is the end magic's.
    [[nodiscard]] std::size_t used(KernelStack& stack, CpuId cpu) {
        const std::size_t most = machine_.stacks().layout().size - sizeof(std::uint64_t);
        const std::size_t depth = std::min((depths_.of_task(created_++) + 7) & ~std::size_t{7}, most);
        if (machine_.stacks().use(stack, depth, cpu).outcome == StackUse::Outcome::fine) return depth;
        return page_size;
    }

    Machine machine_;
    stacks::Depths depths_;
    std::uint64_t created_ = 0;
    std::vector<Task> tasks_;  ///< by object
};

}  // namespace kmemlab::replay

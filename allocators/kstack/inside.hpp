/// The inside of kernel stacks, for tests, which break it.
#pragma once

#include "allocators/kstack/task_stacks.hpp"

namespace kmemlab {

template <class Cpus, class Memory>
struct TaskStacks<Cpus, Memory>::Inside {
    static StackCache<KernelStack*>& cache(TaskStacks& stacks) { return stacks.cache_; }
    static std::vector<KernelStack*>& pending(TaskStacks& stacks, CpuId cpu) {
        return stacks.works_[cpu].pending;
    }
    static std::int64_t& accounted(TaskStacks& stacks, CpuId cpu) { return stacks.works_[cpu].accounted; }
};

}  // namespace kmemlab

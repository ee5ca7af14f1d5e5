/// The three kinds of kernel stacks (kernel_stacks.hpp), each a TaskStacks over a memory of its own:
///
///     DirectStacks{cpus, config, misuse, pages}                   a block of the direct map, no guard
///     VmappedStacks{cpus, config, misuse, arena, mmu, vmalloc}    an area of vmalloc, guard pages, slots
///     DynamicStacks{cpus, config, misuse, pages, host_mmu}        one page at first, grown by faults
#pragma once

#include "allocators/kstack/direct_memory.hpp"
#include "allocators/kstack/dynamic_memory.hpp"
#include "allocators/kstack/task_stacks.hpp"
#include "allocators/kstack/vmapped_memory.hpp"

namespace kmemlab {

template <class Cpus>
using DirectStacks = TaskStacks<Cpus, DirectMemory<Cpus>>;
template <class Cpus, Mmu M>
using VmappedStacks = TaskStacks<Cpus, VmappedMemory<Cpus, M>>;
template <class Cpus>
using DynamicStacks = TaskStacks<Cpus, DynamicMemory<Cpus>>;

extern template class TaskStacks<OwnedCpus, DirectMemory<OwnedCpus>>;
extern template class TaskStacks<OwnedCpus, VmappedMemory<OwnedCpus, HostMmu>>;
extern template class TaskStacks<OwnedCpus, VmappedMemory<OwnedCpus, SoftMmu>>;
extern template class TaskStacks<OwnedCpus, DynamicMemory<OwnedCpus>>;

static_assert(KernelStacks<DirectStacks<OwnedCpus>>);
static_assert(KernelStacks<VmappedStacks<OwnedCpus, HostMmu>>);
static_assert(KernelStacks<VmappedStacks<OwnedCpus, SoftMmu>>);
static_assert(KernelStacks<DynamicStacks<OwnedCpus>>);

}  // namespace kmemlab

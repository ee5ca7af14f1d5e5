/// KernelStack: one kernel stack, whatever its memory comes from. It grows down:
///
///     base                                                        base + THREAD_SIZE
///     | end magic | never used: zero ...... | deepest use .... frames ..... |   guard or a stranger
///     page 0                                                   page n-1
///
/// The descriptor lives as long as the stack's memory, also while it waits in a cache. Pages are looked at
/// through the direct map, so that looking never faults and never makes a dynamic stack grow.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocators/kstack/thread_size.hpp"
#include "allocators/machine/arena.hpp"
#include "allocators/mmu/mmu.hpp"

namespace kmemlab {

/// In the lowest word of each stack (STACK_END_MAGIC); gone when the task has written past the end.
inline constexpr std::uint64_t stack_end_magic = 0x57AC6E9D;

using TaskId = std::uint64_t;
/// A stack for no task is bare memory: without an end magic, and all of it may be written.
inline constexpr TaskId no_task = ~TaskId{0};

/// Where a stack is; in exactly one of these places (K4). A stack that is free has no descriptor.
enum class StackPlace : std::uint8_t {
    task,       ///< some reference to it is left
    cached,     ///< in a slot of `cpu`
    pending,    ///< waits for a grace period on `cpu`
    interrupt,  ///< the interrupt stack of `cpu`
};

struct KernelStack {
    VirtAddr base;  ///< the lowest address
    TaskId task = 0;
    StackPlace place = StackPlace::task;
    CpuId cpu;                                 ///< where its task runs, or whose slot it is in
    bool accounted = false;                    ///< its task has not exited (VM-74)
    bool used = false;                         ///< somebody may have written to it since it was handed out
    std::atomic<std::uint32_t> references{0};  ///< the task's, and those of lookers (K7)

    std::array<Pfn, most_stack_pages> frames{};  ///< of page i, if i >= first_mapped
    std::uint64_t first_mapped = 0;              ///< pages below have no frame (dynamic stacks)
    std::uint64_t* lowest_word = nullptr;        ///< for the end magic; nullptr: its page is not there yet
    void* owner = nullptr;                       ///< what the memory's provider remembers

    KernelStack* next = nullptr;  ///< list of all stacks
    KernelStack* prev = nullptr;
};

/// Bytes of the stack that were ever used: all but the zeroes above the magic up to the first word that is
/// not zero (CONFIG_DEBUG_STACK_USAGE, VM-74). Pages that were never mapped are unused.
[[nodiscard]] std::size_t used_depth(const KernelStack& stack, const Arena& arena, std::uint64_t pages);

}  // namespace kmemlab

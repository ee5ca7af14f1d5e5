/// KernelStacks: who gives kernel stacks to tasks. Three models: DirectStacks, VmappedStacks, DynamicStacks
/// (stacks.hpp).
///
/// | expression              | result        | meaning, failure                                          |
/// |-------------------------|---------------|-----------------------------------------------------------|
/// | s.create(task, cpu)     | KernelStack*  | a stack for a new task, aligned to THREAD_ALIGN (K2), all |
/// |                         |               | zero except for the end magic (K3), with one reference,   |
/// |                         |               | accounted (K5). nullptr: no memory or no addresses; then  |
/// |                         |               | nothing else has changed.                                 |
/// | s.use(stack, depth, cpu)| StackUse      | the task runs on `cpu` and its frames reach down to       |
/// |                         |               | `depth` bytes below the top; what happened is the result. |
/// |                         |               | An overflow that is seen is reported as misuse too.       |
/// | s.populate(stack, cpu)  | bool          | all pages of the stack are there from now on; false: no   |
/// |                         |               | memory for them                                           |
/// | s.find(base)            | KernelStack*  | the stack that begins at an address; nullptr: none        |
/// | s.get(stack)            | void          | one reference more: somebody looks at the stack           |
/// | s.put(stack, cpu)       | void          | one less; with the last the stack goes to a slot of `cpu` |
/// |                         |               | or waits for a grace period there (VM-72, K7)             |
/// | s.exit(stack, cpu)      | void          | the task is gone: the end magic is checked, the used      |
/// |                         |               | depth entered, KernelStack falls; then put                |
/// | s.end_grace_period(cpu) | void          | what waited on `cpu` goes to its slots or is freed        |
/// | s.offline(cpu)          | void          | the slots of a CPU are emptied (VM-73)                    |
/// | s.is_intact(stack)      | bool          | the end magic is there; false: reported as misuse         |
/// | s.layout()              | ThreadLayout  | size and alignment                                        |
/// | s.stats()               | StackStats    | see there; counts are exact                               |
/// | s.last_path(cpu)        | Path          | as Allocator's (contract/allocator.hpp)                   |
/// | s.drain(cpu)            | void          | gives back what is held for reuse, on all CPUs            |
/// | s.find_violation()      | MaybeViolation| recounts everything; the first broken law of K1..K7       |
/// | s.texts()               | vector<Text>  | what the kernel's files say about stacks                  |
///
/// Calls on different CPUs may run at once; drain, offline, stats, texts and find_violation need everybody
/// else outside.
#pragma once

#include <array>
#include <concepts>
#include <optional>
#include <string>
#include <vector>

#include "allocators/base/allocator_types.hpp"
#include "allocators/base/check.hpp"
#include "allocators/kstack/kernel_stack.hpp"

namespace kmemlab {

struct StackUse {
    enum class Outcome : std::uint8_t {
        fine,       ///< as far as anybody noticed: a direct stack's overflow is
        overflow,   ///< the guard page was hit
        exhausted,  ///< the stack had to grow, and the CPU's reserve of pages was empty
    };
    Outcome outcome = Outcome::fine;
    VirtAddr address;  ///< of the access that failed

    friend bool operator==(const StackUse&, const StackUse&) = default;
};

/// Tasks that exited by their used depth, as /proc/vmstat has them: up to 1 KiB, 2, 4, ... and more.
struct StackHistogram {
    static constexpr std::size_t buckets = 7;  ///< kstack_1k .. kstack_64k
    std::array<std::uint64_t, buckets> tasks{};

    void add(std::size_t used_bytes);
    /// Upper bound of a bucket, bytes.
    [[nodiscard]] static constexpr std::size_t bound(std::size_t bucket) {
        return std::size_t{1024} << bucket;
    }
};

struct StackStats {
    std::uint64_t accounted = 0;      ///< tasks that have not exited, now (nr_kernel_stack / THREAD_SIZE)
    std::uint64_t cached = 0;         ///< stacks in slots, now
    std::uint64_t pending = 0;        ///< stacks that wait for a grace period, now
    std::uint64_t held_bytes = 0;     ///< pages of all of them, of interrupt stacks and of reserves, now
    std::uint64_t held_by_tasks = 0;  ///< pages of stacks with references alone, bytes, now
    std::uint64_t metadata_bytes = 0;

    std::uint64_t created = 0;
    std::uint64_t reused = 0;  ///< of these: out of a slot
    std::uint64_t failed = 0;
    std::uint64_t grown_pages = 0;     ///< pages added by faults
    std::uint64_t exhausted = 0;       ///< faults that found an empty reserve
    std::uint64_t guard_hits = 0;      ///< overflows that were caught
    std::uint64_t corrupted_ends = 0;  ///< end magics found gone
    StackHistogram depths;
    std::size_t lowest_free_bytes = 0;  ///< of all tasks that exited: the greatest depth left so many
    PathCounts allocations{};
    PathCounts frees{};
};

template <class S>
concept KernelStacks = requires(S& s, const S& c, KernelStack& stack, TaskId task, std::size_t depth,
                                CpuId cpu) {
    { s.create(task, cpu) } -> std::same_as<KernelStack*>;
    { s.use(stack, depth, cpu) } -> std::same_as<StackUse>;
    { s.populate(stack, cpu) } -> std::same_as<bool>;
    { c.find(stack.base) } -> std::same_as<KernelStack*>;
    { s.get(stack) } -> std::same_as<void>;
    { s.put(stack, cpu) } -> std::same_as<void>;
    { s.exit(stack, cpu) } -> std::same_as<void>;
    { s.end_grace_period(cpu) } -> std::same_as<void>;
    { s.offline(cpu) } -> std::same_as<void>;
    { s.is_intact(stack) } -> std::same_as<bool>;
    { c.layout() } -> std::same_as<const ThreadLayout&>;
    { c.stats() } -> std::same_as<StackStats>;
    { s.last_path(cpu) } -> std::same_as<Path>;
    { s.drain(cpu) } -> std::same_as<void>;
    { c.find_violation() } -> std::same_as<MaybeViolation>;
    { c.texts() } -> std::same_as<std::vector<Text>>;
};

/// "KernelStack:        4336 kB\n", as /proc/meminfo has it.
[[nodiscard]] std::string kernel_stack_line(std::uint64_t kilobytes);
/// "kstack_1k 3\n" and so on up to the size of the stacks, as /proc/vmstat has them.
[[nodiscard]] std::string histogram_lines(const StackHistogram& depths, std::size_t thread_size);

}  // namespace kmemlab

/// The part of a trace that an allocator replays: its operations in order, prepared so that the loops of a
/// pass do nothing but perform them.
///
///  - Objects: kmalloc and kmem_cache events. Pages: page events, whose GFP flags are made to ask for the
///    migrate type that the kernel recorded (BUDDY-4: __GFP_MOVABLE is 1, __GFP_RECLAIMABLE 2, neither 0).
///    Areas: all events of vmalloc. Stacks: a task's, from the allocation of its task_struct to the free; if
///    no event names that cache, the areas that look like kernel stacks. Each is told as such an area.
///  - A free that runs on another CPU than the allocation that it ends is a kind of operation of its own.
///  - What is never freed in the recording is freed behind it (`leftovers`), so that each pass begins as the
///    one before it did.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/trace/trace.hpp"

namespace kmemlab::replay {

enum class Part : std::uint8_t { objects, pages, areas, stacks };
inline constexpr std::size_t part_count = 4;

/// "objects", ...: the layer in results.
[[nodiscard]] std::string_view to_string(Part part);
/// A kernel stack of x86-64 as an area: four pages and a guard, aligned to 16 KiB (VM-71).
inline constexpr std::uint32_t stack_pages = 5;
inline constexpr std::uint8_t stack_align_order = 2;
[[nodiscard]] constexpr bool is_stack(const trace::Operation& allocation) {
    return allocation.pages() == stack_pages && allocation.align_order() == stack_align_order;
}

/// What latencies are told apart by.
struct OperationKind {
    trace::Kind kind{};
    bool other_cpu = false;  ///< a free on another CPU than its allocation's

    friend auto operator<=>(const OperationKind&, const OperationKind&) = default;
};
/// "kfree", "kfree-other-cpu"
[[nodiscard]] std::string to_string(OperationKind kind);

struct Workload {
    Part part{};
    trace::Layer layer{};  ///< of the trace, that the operations are from
    std::vector<trace::Operation> operations;
    std::vector<std::uint64_t> times;         ///< of each operation: nanoseconds since the first event
    std::vector<bool> other_cpu;              ///< of each operation: it frees on another CPU
    std::vector<trace::Operation> leftovers;  ///< frees of what the recording leaves allocated
    std::vector<trace::Cache> caches;
    std::uint32_t slots = 0;  ///< object numbers are below this
    unsigned cpus = 1;        ///< 1 + the highest CPU of the trace

    [[nodiscard]] OperationKind kind(std::size_t operation) const {
        return {operations[operation].kind(), other_cpu[operation]};
    }
};

[[nodiscard]] Workload workload_of(const trace::Trace& trace, Part part);

/// The flags of a page request, its mobility as `migrate_type` says (0..2); others leave the flags' own, or
/// none where they contradict each other.
[[nodiscard]] Gfp with_migrate_type(Gfp gfp, unsigned migrate_type);

}  // namespace kmemlab::replay

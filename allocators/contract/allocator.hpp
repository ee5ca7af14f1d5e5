/// Allocator: the contract that every model keeps, whatever it allocates.
///
/// | expression               | result           | meaning, failure                                        |
/// |--------------------------|------------------|---------------------------------------------------------|
/// | a.allocate(request)      | void*            | at least request.size bytes that nobody else has (G1),  |
/// |                          |                  | aligned to request.align and to the model's minimum     |
/// |                          |                  | (G2), zero if gfp has __GFP_ZERO (G5). size 0: nullptr  |
/// |                          |                  | or an address that only deallocate takes (G6).          |
/// |                          |                  | nullptr: no memory, nothing else has changed (G9).      |
/// | a.deallocate(p, cpu)     | void             | p from allocate, once; nullptr does nothing.            |
/// | a.usable_size(p)         | std::size_t      | bytes that the caller may write, >= the size asked (G3) |
/// | a.stats()                | AllocatorStats   | see there; counts are exact                             |
/// | a.last_path(cpu)         | Path             | which way served the last operation on that CPU since   |
/// |                          |                  | the call before this one; Path::fast if only fast ones  |
/// | a.drain(cpu)             | void             | gives back all that is held for reuse: per-CPU lists of |
/// |                          |                  | every CPU, empty slabs. Nobody else may be inside.      |
/// | a.find_violation()       | MaybeViolation   | walks everything, recounts every counter from primary   |
/// |                          |                  | data; the first broken law by its number, or nothing.   |
/// |                          |                  | Nobody else may be inside.                              |
/// | a.snapshot()             | std::vector<Text>| the kernel's text files at this moment (slabinfo, ...)  |
/// | a.free_blocks()          | FreeBlocks       | free blocks per order below; empty if no page allocator |
///
/// Every call says by `cpu` on which CPU it runs; see machine/cpus.hpp for who may run where at once.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/base/gfp.hpp"
#include "allocators/base/path.hpp"
#include "allocators/base/units.hpp"

namespace kmemlab {

struct Request {
    std::size_t size = 0;
    Gfp gfp = GFP_KERNEL;
    std::size_t align = 0;  ///< a power of two, or 0 for the model's minimum
    CpuId cpu{0};
};

/// Operations by the way that served them.
using PathCounts = std::array<std::uint64_t, path_count>;

struct AllocatorStats {
    std::uint64_t held_bytes = 0;      ///< memory taken from the layer below, in use or kept for reuse
    std::uint64_t metadata_bytes = 0;  ///< what the model itself needs: descriptors, per-CPU slots, tables
    PathCounts allocations{};
    PathCounts frees{};
};

/// A text file of the kernel: its name below /proc or /sys, and its content.
struct Text {
    std::string name;
    std::string content;
};

/// Free blocks of each order over all zones, or nothing if the model has no page allocator below.
using FreeBlocks = std::optional<std::array<std::uint64_t, order_count>>;

template <class A>
concept Allocator = requires(A& a, const A& c, const Request& request, void* p, CpuId cpu) {
    { a.allocate(request) } -> std::same_as<void*>;
    { a.deallocate(p, cpu) } -> std::same_as<void>;
    { c.usable_size(p) } -> std::same_as<std::size_t>;
    { c.stats() } -> std::same_as<AllocatorStats>;
    { a.last_path(cpu) } -> std::same_as<Path>;
    { a.drain(cpu) } -> std::same_as<void>;
    { c.find_violation() } -> std::same_as<MaybeViolation>;
    { c.snapshot() } -> std::same_as<std::vector<Text>>;
    { c.free_blocks() } -> std::same_as<FreeBlocks>;
};

}  // namespace kmemlab

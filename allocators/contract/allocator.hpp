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

#include <concepts>
#include <cstddef>
#include <vector>

#include "allocators/base/allocator_types.hpp"
#include "allocators/base/check.hpp"
#include "allocators/base/path.hpp"
#include "allocators/base/units.hpp"

namespace kmemlab {

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

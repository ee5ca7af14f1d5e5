/// A short fixed exercise for whatever can be made of settings: it shows that what was accepted also works.
#pragma once

#include "allocators/contract/any_allocator.hpp"
#include "allocators/mmu/tlb_geometry.hpp"

namespace kmemlab::fuzz {

/// Memory of many sizes on the first and the last of `cpus`, object caches and pages if there are any, and
/// what can be read of the allocator. Everything is given back. The first law that is broken, or nothing.
[[nodiscard]] MaybeViolation exercise(AnyAllocator& allocator, unsigned cpus);

/// A software MMU whose CPUs have such translation caches: pages of each size are mapped, looked up, unmapped
/// and flushed (V5, V7).
[[nodiscard]] MaybeViolation exercise(const TlbGeometry& geometry);

}  // namespace kmemlab::fuzz

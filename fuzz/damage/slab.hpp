/// What can be damaged in a cache of SLAB.
#pragma once

#include <span>

#include "allocators/slab/slab.hpp"
#include "fuzz/damage/damage.hpp"

namespace kmemlab::fuzz {

template <class Cpus>
struct SlabPart {
    const Slab<Cpus>& slab;
    SlabCache<Cpus>& cache;
};

template <class Cpus>
[[nodiscard]] std::span<const DamageKind<SlabPart<Cpus>>> slab_damages();

}  // namespace kmemlab::fuzz

/// What can be damaged in a cache of SLUB.
#pragma once

#include <span>

#include "allocators/slub/slub.hpp"
#include "fuzz/damage/damage.hpp"

namespace kmemlab::fuzz {

template <class Cpus>
struct SlubPart {
    const Slub<Cpus>& slub;
    SlubCache<Cpus>& cache;
};

template <class Cpus>
[[nodiscard]] std::span<const DamageKind<SlubPart<Cpus>>> slub_damages();

}  // namespace kmemlab::fuzz

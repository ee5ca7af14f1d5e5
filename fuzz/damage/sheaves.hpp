/// What can be damaged in the sheaves of a cache. For its slabs there is slub.hpp.
#pragma once

#include <span>

#include "allocators/sheaves/sheaves.hpp"
#include "fuzz/damage/damage.hpp"

namespace kmemlab::fuzz {

template <class Cpus>
struct SheafPart {
    const Slub<Cpus>& slub;
    SheafCache<Cpus>& cache;
};

template <class Cpus>
[[nodiscard]] std::span<const DamageKind<SheafPart<Cpus>>> sheaf_damages();

}  // namespace kmemlab::fuzz

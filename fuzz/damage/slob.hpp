/// What can be damaged in SLOB.
#pragma once

#include <span>

#include "allocators/slob/slob.hpp"
#include "fuzz/damage/damage.hpp"

namespace kmemlab::fuzz {

template <class Cpus>
struct SlobPart {
    Slob<Cpus>& slob;
};

template <class Cpus>
[[nodiscard]] std::span<const DamageKind<SlobPart<Cpus>>> slob_damages();

}  // namespace kmemlab::fuzz

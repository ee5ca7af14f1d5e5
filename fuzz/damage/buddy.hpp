/// What can be damaged in a zone of the page allocator.
#pragma once

#include <span>

#include "allocators/buddy/buddy.hpp"
#include "fuzz/damage/damage.hpp"

namespace kmemlab::fuzz {

template <class Cpus>
struct ZonePart {
    Arena& arena;
    Zone<Cpus>& zone;
    unsigned cpus;
};

template <class Cpus>
[[nodiscard]] std::span<const DamageKind<ZonePart<Cpus>>> zone_damages();

}  // namespace kmemlab::fuzz

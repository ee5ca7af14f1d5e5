/// Which target (object_target.hpp) a model is driven as: by what it can do.
#pragma once

#include <type_traits>

#include "bench/replay/area_target.hpp"
#include "bench/replay/object_target.hpp"
#include "bench/replay/page_target.hpp"
#include "bench/replay/stack_target.hpp"
#include "bench/replay/workload.hpp"

namespace kmemlab::replay {

[[nodiscard]] constexpr Part part_of(const Capabilities& can) {
    if (can.stacks) return Part::stacks;
    if (can.areas) return Part::areas;
    return can.pages && !can.object_caches ? Part::pages : Part::objects;
}

template <class M>
[[nodiscard]] consteval auto target_type_of() {
    constexpr Part part = part_of(M::info.capabilities);
    if constexpr (part == Part::stacks) {
        return std::type_identity<StackTarget<M>>{};
    } else if constexpr (part == Part::areas) {
        return std::type_identity<AreaTarget<M>>{};
    } else if constexpr (part == Part::pages) {
        return std::type_identity<PageTarget<M>>{};
    } else {
        return std::type_identity<ObjectTarget<M>>{};
    }
}

template <class M>
using TargetOf = typename decltype(target_type_of<M>())::type;

}  // namespace kmemlab::replay

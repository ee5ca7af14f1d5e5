/// The page allocator as text: free blocks of each zone by order and migrate type, what each CPU keeps, and a
/// small map.
#pragma once

#include <string>

#include "allocators/buddy/buddy.hpp"

namespace kmemlab::inspect {

/// All zones that have memory. Nobody else may be inside.
[[nodiscard]] std::string zones_text(const Buddy<OwnedCpus>& buddy, const Arena& arena);

}  // namespace kmemlab::inspect

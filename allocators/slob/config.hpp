/// What of SLOB can be set. Linux 6.1 has no tunables for it; ours only adds supervision.
#pragma once

#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/base/tunable.hpp"

namespace kmemlab {

struct SlobConfig {
    /// Keep a list of all live objects (ledger.hpp): every misuse is told by its kind, and find_violation()
    /// sees the objects as well as the free blocks. On in debug builds.
    bool track = debug_checks;

    [[nodiscard]] std::vector<Tunable> tunables() {
        return {switch_tunable("slob.track", "note every live object, to find each misuse and broken header",
                               track)};
    }
};

}  // namespace kmemlab

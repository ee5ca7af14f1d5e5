/// What of SLUB can be set: boot parameters and sysfs attributes of Linux 6.1, as tunables `slub.*`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/base/tunable.hpp"
#include "allocators/objects/cache.hpp"
#include "allocators/slub/geometry.hpp"

namespace kmemlab {

struct SlubConfig {
    std::uint64_t max_order = 3;
    std::uint64_t min_order = 0;
    std::uint64_t min_objects = 0;            ///< 0: by the number of CPUs (SLUB-4)
    std::string cpu_partial = "auto";         ///< objects, or auto: by size (SLUB-6)
    std::string min_partial = "auto";         ///< slabs, or auto: by size (SLUB-6)
    std::string debug{};                      ///< as slub_debug: letters[,cache...][;...] (SLUB-79)
    bool merge = true;                        ///< one cache serves alike descriptions (SLUB-64)
    bool freelist_random = false;             ///< SLUB-70
    bool freelist_hardened = false;           ///< SLUB-71
    bool cpu_partial_lists = true;            ///< off: as a kernel for one CPU
    std::uint64_t seed = 0x9e3779b97f4a7c15;  ///< of random orders and of the free pointers' encoding

    [[nodiscard]] std::vector<Tunable> tunables();
    [[nodiscard]] GeometryRules rules(unsigned cpus) const;
};

/// What `debug` says for one cache.
struct DebugChoice {
    CacheFlags flags = CacheFlags::none;
    bool keep_small = false;  ///< O: off where it would raise the slab's least order
};

/// Is this a valid slub_debug string?
[[nodiscard]] bool valid_debug_option(std::string_view option);
/// The flags that `option` gives to the cache `name`; the first section that names it decides, then one
/// without names.
[[nodiscard]] DebugChoice debug_choice(std::string_view option, std::string_view name);

}  // namespace kmemlab

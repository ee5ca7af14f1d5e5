/// What of SLAB can be set, as tunables `slab.*`: the boot parameter slab_max_order, the three numbers that a
/// write to /proc/slabinfo sets for a cache (here for all), and build options of Linux 6.1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "allocators/base/tunable.hpp"
#include "allocators/slab/geometry.hpp"

namespace kmemlab {

struct SlabConfig {
    std::uint64_t limit = 0;                  ///< entries of a CPU's array; 0: by size (SLAB-6)
    std::uint64_t batchcount = 0;             ///< entries moved at once; 0: half of limit, rounded up
    std::string shared = "auto";              ///< batches of the shared array, or auto: by size and CPUs
    std::string max_order = "auto";           ///< 0..10; auto: 1, and 0 if memory is at most 32 MiB (SLAB-3)
    bool merge = true;                        ///< one cache serves alike descriptions (SLUB-64)
    bool freelist_random = false;             ///< SLAB-21
    std::uint64_t seed = 0x9e3779b97f4a7c15;  ///< of random orders and of the caches' first reaping

    [[nodiscard]] std::vector<Tunable> tunables();
    [[nodiscard]] SlabGeometryRules rules(unsigned cpus, std::size_t memory) const;
};

/// Puts what `config` sets in the place of what SLAB-6 says. Throws UsageError if batchcount exceeds limit,
/// or if the arrays would take memory out of all proportion.
void apply_config(const SlabConfig& config, unsigned cpus, SlabGeometry& geometry);

}  // namespace kmemlab

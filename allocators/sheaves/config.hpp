/// What of SLUB with sheaves can be set: SLUB's own tunables but those of CPU partial lists, which are gone
/// (SHEAF-7), and `sheaves.*`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "allocators/base/tunable.hpp"
#include "allocators/slub/config.hpp"

namespace kmemlab {

struct SheavesConfig {
    SlubConfig slub;
    std::uint64_t capacity = 0;     ///< objects of a sheaf; 0: by size (SHEAF-1)
    std::uint64_t scale = 1;        ///< times the capacity by size
    std::uint64_t barn_full = 10;   ///< most full sheaves of a cache's barn (SHEAF-2)
    std::uint64_t barn_empty = 10;  ///< most empty ones
    std::uint64_t barn_kbytes = 0;  ///< most memory in a barn's full sheaves, of one sheaf at least; 0: any

    [[nodiscard]] std::vector<Tunable> tunables();
    /// SLUB's part, without CPU partial lists.
    [[nodiscard]] SlubConfig slabs() const;
};

/// Most full sheaves of a barn whose sheaves hold `capacity` objects of `size` bytes.
[[nodiscard]] std::size_t most_full_sheaves(const SheavesConfig& config, std::size_t capacity,
                                            std::size_t size);

/// Objects of a sheaf for objects of `size` bytes (SHEAF-1).
[[nodiscard]] std::uint32_t sheaf_capacity(std::size_t size);

}  // namespace kmemlab

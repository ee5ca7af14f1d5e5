/// /proc/slabinfo, version 2.1, as the kernel prints it (SLUB-82).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kmemlab {

struct SlabinfoRow {
    std::string_view name;
    std::uint64_t active_objects = 0;
    std::uint64_t objects = 0;
    std::uint64_t size = 0;  ///< bytes from one object to the next
    std::uint64_t objects_per_slab = 0;
    std::uint64_t pages_per_slab = 0;
    std::uint64_t limit = 0;  ///< SLAB's tunables; zeros otherwise
    std::uint64_t batchcount = 0;
    std::uint64_t shared = 0;
    std::uint64_t active_slabs = 0;
    std::uint64_t slabs = 0;
    std::uint64_t shared_available = 0;
};

/// The two lines before the first row.
[[nodiscard]] std::string slabinfo_header();
[[nodiscard]] std::string to_string(const SlabinfoRow& row);

}  // namespace kmemlab

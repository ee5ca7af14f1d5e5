/// What one CPU did in an object allocator, beside what its caches count, and by which way last.
#pragma once

#include <cstdint>

#include "allocators/base/allocator_types.hpp"
#include "allocators/machine/cpus.hpp"

namespace kmemlab {

struct CpuWork {
    Path path = Path::fast;
    PathCounts allocations{};
    PathCounts frees{};
    std::uint64_t pages_taken = 0;
    std::uint64_t pages_given = 0;

    /// `n` operations were served by `served`.
    void count(PathCounts CpuWork::*counts, Path served, std::uint64_t n = 1) {
        path = served;
        (this->*counts)[static_cast<std::size_t>(served)] += n;
    }
};

/// Pages that all CPUs together hold.
template <class Work>
[[nodiscard]] std::uint64_t pages_held(const PerCpu<Work>& works) {
    std::uint64_t pages = 0;
    for (CpuId c{0}; c.value() < works.count(); ++c) pages += works[c].pages_taken - works[c].pages_given;
    return pages;
}

/// The sum over all CPUs; metadata_bytes are those of `works` itself.
template <class Work>
[[nodiscard]] AllocatorStats sum_of(const PerCpu<Work>& works) {
    AllocatorStats sum;
    sum.held_bytes = pages_held(works) * page_size;
    sum.metadata_bytes = works.metadata_bytes();
    for (CpuId c{0}; c.value() < works.count(); ++c) {
        for (std::size_t path = 0; path < path_count; ++path) {
            sum.allocations[path] += works[c].allocations[path];
            sum.frees[path] += works[c].frees[path];
        }
    }
    return sum;
}

}  // namespace kmemlab

/// Part of sheaves.cpp: making it, destroying caches, and what all of them counted.
#pragma once

#include <memory>

#include "allocators/sheaves/sheaves.hpp"

namespace kmemlab {

template <class Cpus>
Sheaves<Cpus>::Sheaves(PageSourceRef pages, Cpus& cpus, const SheavesConfig& config, MisuseLog& misuse)
    : memory_{pages.arena().address_at(0)},
      arena_bytes_{pages.arena().bytes()},
      pages_{&pages.arena().page_at(0)},
      frames_{pages.arena().frames()},
      cpus_{cpus},
      area_{cpus.count()},
      slub_{pages, cpus, config.slabs(), misuse,
            [this, config](const std::string& name, const Geometry& geometry) {
                return std::make_unique<Cache>(name, geometry, config, cpus_.count(), area_);
            }},
      works_{cpus.count()} {}

template <class Cpus>
Sheaves<Cpus>::~Sheaves() = default;

/// SHEAF-6, then SLUB-44. What the cache counted stays in the totals.
template <class Cpus>
bool Sheaves<Cpus>::kmem_cache_destroy(Cache& cache, CpuId cpu) {
    if (!slub_.drop_description(cache)) return true;
    flush_all(cache, cpu);
    const std::uint64_t allocations = cache.total(SheafEvent::alloc_fastpath);
    const std::uint64_t frees = cache.total(SheafEvent::free_fastpath);
    if (!slub_.destroy_unused(cache, cpu)) return false;
    constexpr auto fast = static_cast<std::size_t>(Path::fast);
    works_[cpu].allocations[fast] += allocations;
    works_[cpu].frees[fast] += frees;
    return true;
}

/// The ways of sheaves are counted here; those of debug caches and large blocks, and all pages, below.
template <class Cpus>
AllocatorStats Sheaves<Cpus>::stats() const {
    AllocatorStats stats = slub_.stats();
    const AllocatorStats own = sum_of(works_);
    stats.metadata_bytes += own.metadata_bytes + sizeof *this - sizeof slub_;
    for (std::size_t path = 0; path < path_count; ++path) {
        stats.allocations[path] += own.allocations[path];
        stats.frees[path] += own.frees[path];
    }
    constexpr auto fast = static_cast<std::size_t>(Path::fast);
    for (const auto& slub_cache : slub_.caches()) {
        const Cache& cache = sheafed(*slub_cache);
        stats.allocations[fast] += cache.total(SheafEvent::alloc_fastpath);
        stats.frees[fast] += cache.total(SheafEvent::free_fastpath);
        stats.metadata_bytes += cache.sheaf_bytes();
    }
    return stats;
}

}  // namespace kmemlab

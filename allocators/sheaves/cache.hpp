/// A cache with sheaves: SLUB's, with what each CPU and the node keep of its free objects above the slabs.
///
///     CPU c:  sheaves[c]  main   [o o o . .]    taken from and put on by c alone
///                         spare  [o o o o o]    none, empty or full
///     node:   barn      full and empty sheaves (barn.hpp)
///     slabs:  of the SlubCache that it is: on the node's partial list, or full and nowhere (SHEAF-7)
///
/// A debug cache has no sheaves (SHEAF-6): capacity 0, so that its main is empty and full at once and every
/// operation takes the slow way, to the slabs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "allocators/machine/cpus.hpp"
#include "allocators/objects/cache.hpp"
#include "allocators/sheaves/barn.hpp"
#include "allocators/sheaves/config.hpp"
#include "allocators/sheaves/sheaf.hpp"
#include "allocators/slub/cache.hpp"

namespace kmemlab {

/// What is counted for each CPU of a cache. alloc_* and free_* are objects, the others sheaves.
enum class SheafEvent : std::uint8_t {
    alloc_fastpath,
    free_fastpath,
    alloc_slowpath,
    free_slowpath,
    free_refused,  ///< found on the way to the slabs: nobody's to free
    sheaf_alloc,   ///< made
    sheaf_swap,    ///< main and spare exchanged
    sheaf_refill,  ///< filled from the slabs
    sheaf_flush,   ///< emptied into the slabs
    barn_get,      ///< a full one taken
    barn_put,      ///< a full one put
};
inline constexpr std::size_t sheaf_event_count = static_cast<std::size_t>(SheafEvent::barn_put) + 1;

/// What one CPU holds of a cache.
struct SheafSlot {
    Sheaf main;
    Sheaf spare;
    bool busy = false;           ///< preemptible: this CPU is on a slow path of this cache
    bool flush_pending = false;  ///< preemptible: flush when it leaves that
    std::array<std::uint64_t, sheaf_event_count> events{};

    void count(SheafEvent event, std::uint64_t n = 1) { events[static_cast<std::size_t>(event)] += n; }
    [[nodiscard]] std::uint64_t counted(SheafEvent event) const {
        return events[static_cast<std::size_t>(event)];
    }
};

template <class Cpus>
struct SheafCache final : SlubCache<Cpus> {
    SheafCache(const std::string& cache_name, const Geometry& layout, const SheavesConfig& config,
               unsigned cpus)
        : SlubCache<Cpus>{cache_name, layout, cpus},
          sheaves{cpus},
          barn{static_cast<std::size_t>(config.barn_full), static_cast<std::size_t>(config.barn_empty)} {
        if (this->debug) return;
        this->fronted = true;
        capacity =
            config.capacity != 0 ? static_cast<std::uint32_t>(config.capacity) : sheaf_capacity(layout.size);
        for (unsigned c = 0; c < cpus; ++c) sheaves[CpuId{c}].main = Sheaf{capacity};
    }

    [[nodiscard]] std::uint64_t total(SheafEvent event) const {
        std::uint64_t sum = 0;
        for (unsigned c = 0; c < sheaves.count(); ++c) sum += sheaves[CpuId{c}].counted(event);
        return sum;
    }
    /// Objects out of the slabs: handed out or in sheaves.
    [[nodiscard]] std::uint64_t out_of_slabs() const { return SlubCacheCore::live(); }
    /// Objects handed out and not yet given back.
    [[nodiscard]] std::uint64_t live() const {
        if (this->debug) return out_of_slabs();
        return total(SheafEvent::alloc_fastpath) + total(SheafEvent::alloc_slowpath) +
               total(SheafEvent::free_refused) - total(SheafEvent::free_fastpath) -
               total(SheafEvent::free_slowpath);
    }
    [[nodiscard]] CacheTraffic traffic() const {
        return {.refills = total(SheafEvent::barn_get) + total(SheafEvent::sheaf_refill),
                .flushes = total(SheafEvent::barn_put) + total(SheafEvent::sheaf_flush)};
    }
    /// Of the sheaves alone; SLUB counts the rest.
    [[nodiscard]] std::size_t sheaf_bytes() const {
        std::size_t entries = 0;
        for (unsigned c = 0; c < sheaves.count(); ++c) {
            entries += sheaves[CpuId{c}].main.capacity + sheaves[CpuId{c}].spare.capacity;
        }
        return sizeof *this - sizeof(SlubCache<Cpus>) + sheaves.metadata_bytes() + entries * sizeof(void*) +
               barn.metadata_bytes(capacity);
    }

    PerCpu<SheafSlot> sheaves;
    std::uint32_t capacity = 0;  ///< objects of each sheaf; 0: the cache has none
    Barn<Cpus> barn;
};

}  // namespace kmemlab

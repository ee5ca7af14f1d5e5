/// A machine with sheaves over plain pages, and one cache of objects of 64 bytes.
#pragma once

#include <string>
#include <vector>

#include "allocators/sheaves/sheaves.hpp"
#include "tests/support/page_sources.hpp"

namespace kmemlab::test {

template <class Cpus>
struct SheavesMachine {
    explicit SheavesMachine(const SheavesConfig& config = {},
                            const CacheDescription& description = {"mine", 64}, unsigned cpu_count = 4)
        : cpus{cpu_count},
          sheaves{pages, cpus, config, log},
          cache{*sheaves.kmem_cache_create(description)} {}

    [[nodiscard]] void* get(CpuId cpu) { return sheaves.kmem_cache_alloc(cache, GFP_KERNEL, cpu); }
    void put(void* object, CpuId cpu) { sheaves.kmem_cache_free(cache, object, cpu); }
    [[nodiscard]] std::vector<void*> get_many(std::size_t n, CpuId cpu) {
        std::vector<void*> objects(n);
        for (void*& object : objects) object = get(cpu);
        return objects;
    }
    void put_many(std::span<void* const> objects, CpuId cpu) {
        for (void* const object : objects) put(object, cpu);
    }
    [[nodiscard]] SheafSlot& slot(CpuId cpu) { return cache.sheaves[cpu]; }
    [[nodiscard]] std::uint64_t counted(SheafEvent event, CpuId cpu) { return slot(cpu).counted(event); }
    [[nodiscard]] std::string violation() const {
        const auto found = sheaves.find_violation();
        return found ? found->message() : "";
    }
    [[nodiscard]] std::string law() const {
        const auto found = sheaves.find_violation();
        return found ? std::string{found->law} : "";
    }

    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    Cpus cpus;
    std::vector<Misuse> reports;
    MisuseLog log = MisuseLog::keep_going([this](const Misuse& misuse) { reports.push_back(misuse); });
    Sheaves<Cpus> sheaves;
    SheafCache<Cpus>& cache;
};

/// Sheaves of four objects, a barn for two of each kind.
inline const SheavesConfig small_sheaves{.slub = {}, .capacity = 4, .barn_full = 2, .barn_empty = 2};

}  // namespace kmemlab::test

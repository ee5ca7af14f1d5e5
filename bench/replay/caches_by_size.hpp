/// CachesBySize: object caches over an allocator that has none. A cache remembers a size, an alignment and
/// a constructor; each object is one allocation of that size. What a program without caches would do.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <span>
#include <vector>

#include "allocators/contract/model.hpp"

namespace kmemlab::replay {

template <Model M>
class CachesBySize {
  public:
    using Config = typename M::Config;
    static constexpr ModelInfo info = M::info;

    struct Cache {
        CacheDescription description;
        std::uint64_t live = 0;
    };

    explicit CachesBySize(const Config& config) : model_{config} {}

    [[nodiscard]] void* allocate(const Request& request) { return model_.allocate(request); }
    void deallocate(void* p, CpuId cpu) { model_.deallocate(p, cpu); }
    [[nodiscard]] std::size_t usable_size(void* p) const { return model_.usable_size(p); }
    [[nodiscard]] AllocatorStats stats() const { return model_.stats(); }
    [[nodiscard]] Path last_path(CpuId cpu) { return model_.last_path(cpu); }
    void drain(CpuId cpu) { model_.drain(cpu); }
    [[nodiscard]] MaybeViolation find_violation() const { return model_.find_violation(); }
    [[nodiscard]] std::vector<Text> snapshot() const { return model_.snapshot(); }
    [[nodiscard]] FreeBlocks free_blocks() const { return model_.free_blocks(); }

    [[nodiscard]] Cache* kmem_cache_create(const CacheDescription& description) {
        return &caches_.emplace_back(Cache{description});
    }
    /// False while objects live.
    [[nodiscard]] bool kmem_cache_destroy(Cache& cache, CpuId) {
        if (cache.live != 0) return false;
        caches_.remove_if([&](const Cache& c) { return &c == &cache; });
        return true;
    }
    [[nodiscard]] void* kmem_cache_alloc(Cache& cache, Gfp gfp, CpuId cpu) {
        const CacheDescription& d = cache.description;
        void* p = model_.allocate({.size = d.size, .gfp = gfp, .align = d.align, .cpu = cpu});
        if (p == nullptr) return nullptr;
        ++cache.live;
        if (d.constructor != nullptr) d.constructor(p);
        return p;
    }
    void kmem_cache_free(Cache& cache, void* p, CpuId cpu) {
        if (p == nullptr) return;
        --cache.live;
        model_.deallocate(p, cpu);
    }
    /// All of `objects` or nothing.
    [[nodiscard]] std::size_t kmem_cache_alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects,
                                                    CpuId cpu) {
        return alloc_each_or_none(*this, cache, gfp, objects, cpu);
    }
    void kmem_cache_free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu) {
        for (void* p : objects) kmem_cache_free(cache, p, cpu);
    }
    bool kmem_cache_shrink(Cache& cache, CpuId) { return cache.live != 0; }

  private:
    M model_;
    std::list<Cache> caches_;
};

}  // namespace kmemlab::replay

/// ObjectTarget, PageTarget (page_target.hpp) and AreaTarget (area_target.hpp): one allocator together with
/// what a replay has got from it. Every pass is a loop over perform(), which does all bookkeeping around the
/// operation itself:
///
///     target.perform<touch>(op, around)    calls around(f) once, and f() is the allocator's operation and
///                                          nothing else; not at all for the free of what was not got.
///                                          Then writes what was got, if `touch` says so.
///
/// A target begins empty and is empty again when the leftovers of the workload are performed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "allocators/contract/model.hpp"
#include "bench/measure/keep.hpp"
#include "bench/replay/caches_by_size.hpp"
#include "bench/replay/workload.hpp"

namespace kmemlab::replay {

enum class Touch : bool { no, yes };

/// Writes the first word (as far as there is one), as whoever asked for memory does.
template <Touch wanted>
inline void touch(void* p, std::size_t size) {
    if (wanted == Touch::no || p == nullptr || size == 0) return;
    const auto word = reinterpret_cast<std::uintptr_t>(p);
    std::memcpy(p, &word, std::min(size, sizeof word));
    keep(p);
}

template <Model M>
class ObjectTarget {
  public:
    using ModelType = M;
    /// The model itself if it has caches.
    using Machine = std::conditional_t<ObjectCaches<M>, M, CachesBySize<M>>;

    ObjectTarget(const typename M::Config& config, const Workload& work)
        : machine_{config}, work_{work}, objects_(work.slots, nullptr) {}

    [[nodiscard]] Machine& machine() { return machine_; }
    [[nodiscard]] const Machine& machine() const { return machine_; }

    /// Makes the caches of the trace. Throws UsageError if one cannot be made.
    void open() {
        for (const trace::Cache& cache : work_.caches) {
            const std::size_t size = std::max<std::size_t>(cache.object_size, 1);
            caches_.push_back(machine_.kmem_cache_create({.name = cache.name, .size = size}));
            if (caches_.back() == nullptr) {
                throw UsageError::of("{}: no memory for the cache {}", M::info.name, cache.name);
            }
        }
    }
    /// Destroys them. False if one says that objects live.
    [[nodiscard]] bool close() {
        bool all = true;
        for (auto* cache : caches_) all = machine_.kmem_cache_destroy(*cache, CpuId{0}) && all;
        caches_.clear();
        return all;
    }

    /// What serves the trace's cache of that number; it may serve others too. The target must be open.
    [[nodiscard]] const typename Machine::Cache& cache(std::size_t number) const { return *caches_[number]; }

    template <Touch touch, class Around>
    void perform(const trace::Operation& op, Around&& around) {
        void*& slot = objects_[op.object()];
        switch (op.kind()) {
            case trace::Kind::kmalloc: {
                const Request request{.size = op.bytes(), .gfp = op.gfp(), .align = 0, .cpu = op.cpu()};
                void* p = nullptr;
                around([&] { p = machine_.allocate(request); });
                slot = p;
                return kmemlab::replay::touch<touch>(p, request.size);
            }
            case trace::Kind::kmem_cache_alloc: {
                auto& cache = *caches_[op.cache()];
                void* p = nullptr;
                around([&] { p = machine_.kmem_cache_alloc(cache, op.gfp(), op.cpu()); });
                slot = p;
                return kmemlab::replay::touch<touch>(p, work_.caches[op.cache()].object_size);
            }
            case trace::Kind::kfree: {
                void* const p = slot;
                if (p != nullptr) around([&] { machine_.deallocate(p, op.cpu()); });
                return;
            }
            default: {
                auto& cache = *caches_[op.cache()];
                void* const p = slot;
                if (p != nullptr) around([&] { machine_.kmem_cache_free(cache, p, op.cpu()); });
                return;
            }
        }
    }

    /// What was got for an object; nullptr if nothing.
    [[nodiscard]] void* memory(const trace::Operation& op) const { return objects_[op.object()]; }
    /// Bytes asked for by an allocation, or by that which a free ends.
    [[nodiscard]] std::size_t requested(const trace::Operation& op) const {
        const bool by_size = op.kind() == trace::Kind::kmalloc || op.kind() == trace::Kind::kfree;
        return by_size ? op.bytes() : work_.caches[op.cache()].object_size;
    }
    /// Bytes that may be written; the object must be got and not of size 0.
    [[nodiscard]] std::size_t usable(const trace::Operation& op) const {
        const bool by_size = op.kind() == trace::Kind::kmalloc || op.kind() == trace::Kind::kfree;
        if (!by_size && M::info.capabilities.headers) return requested(op);  // its cache knows, nobody else
        return machine_.usable_size(memory(op));
    }
    [[nodiscard]] std::size_t alignment(const trace::Operation&) const { return alignof(std::uint64_t); }

  private:
    Machine machine_;
    const Workload& work_;
    std::vector<typename Machine::Cache*> caches_;
    std::vector<void*> objects_;
};

}  // namespace kmemlab::replay

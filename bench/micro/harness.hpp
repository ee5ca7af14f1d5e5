/// What the micro benchmarks share: how a model's ways of allocating are called, and the loops over them.
///
/// A Way has take() -> void* (null: no memory), put(void*) and bytes(). The loops are templates over it, so
/// nothing but the model's own code lies between two iterations.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "allocators/contract/model.hpp"
#include "bench/measure/keep.hpp"
#include "bench/measure/sequence.hpp"

namespace kmemlab::micro {

/// allocate and deallocate: kmalloc and kfree of a kernel.
template <Model M>
class AllocateWay {
  public:
    AllocateWay(M& model, std::size_t bytes) : model_{&model}, bytes_{bytes} {}
    [[nodiscard]] void* take() const { return model_->allocate({.size = bytes_, .gfp = GFP_KERNEL}); }
    void put(void* p) const { model_->deallocate(p, CpuId{0}); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

  private:
    M* model_;
    std::size_t bytes_;
};

/// kmem_cache_alloc and kmem_cache_free of one cache.
template <ObjectCaches M>
class CacheWay {
  public:
    using Cache = typename M::Cache;
    CacheWay(M& model, std::size_t bytes)
        : model_{&model},
          cache_{model.kmem_cache_create({.name = "micro-" + std::to_string(bytes), .size = bytes})},
          bytes_{bytes} {}
    [[nodiscard]] void* take() const { return model_->kmem_cache_alloc(*cache_, GFP_KERNEL, CpuId{0}); }
    void put(void* p) const { model_->kmem_cache_free(*cache_, p, CpuId{0}); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] Cache& cache() const { return *cache_; }

  private:
    M* model_;
    Cache* cache_;
    std::size_t bytes_;
};

/// take and give of blocks of 2^order pages.
template <PageSource M>
class PageWay {
  public:
    PageWay(M& model, Order order) : model_{&model}, order_{order} {}
    [[nodiscard]] void* take() const {
        const auto pfn = model_->take(order_, GFP_KERNEL, CpuId{0});
        return pfn ? model_->arena().address(*pfn) : nullptr;
    }
    void put(void* p) const { model_->give(model_->arena().pfn(p), order_, CpuId{0}); }
    [[nodiscard]] std::size_t bytes() const { return order_.bytes(); }

  private:
    M* model_;
    Order order_;
};

/// Takes one, puts it back.
template <class Way>
void run_pairs(benchmark::State& state, Way way) {
    for (auto _ : state) {
        void* p = way.take();
        if (p == nullptr) return state.SkipWithError("no memory");
        keep(p);
        way.put(p);
    }
    state.SetItemsProcessed(state.iterations());
}

/// Takes many, puts them back in that sequence; an item is one pair.
template <class Way>
void run_batches(benchmark::State& state, Way way, std::size_t count, Sequence sequence) {
    const auto order = positions(sequence, count);
    std::vector<void*> objects(count);
    for (auto _ : state) {
        for (void*& p : objects) p = way.take();
        if (objects.back() == nullptr) return state.SkipWithError("no memory");
        keep(objects.data());
        for (const std::uint32_t i : order) way.put(objects[i]);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}

/// Takes many by one call, puts them back by one call.
template <ObjectCaches M>
void run_bulk(benchmark::State& state, M& model, typename M::Cache& cache, std::size_t count) {
    std::vector<void*> objects(count);
    for (auto _ : state) {
        if (model.kmem_cache_alloc_bulk(cache, GFP_KERNEL, objects, CpuId{0}) != count) {
            return state.SkipWithError("no memory");
        }
        keep(objects.data());
        model.kmem_cache_free_bulk(cache, objects, CpuId{0});
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}

/// Empty if `count` objects at once keep what is written into them.
template <class Way>
[[nodiscard]] std::string verify(Way way, std::size_t count) {
    std::vector<unsigned char*> objects(count);
    for (std::size_t i = 0; i < count; ++i) {
        objects[i] = static_cast<unsigned char*>(way.take());
        if (objects[i] == nullptr) return "no memory";
        std::memset(objects[i], static_cast<int>(i & 0xff), way.bytes());
    }
    std::string found;
    for (std::size_t i = 0; i < count; ++i) {
        const auto written = static_cast<unsigned char>(i & 0xff);
        const bool kept = std::all_of(objects[i], objects[i] + way.bytes(),
                                      [&](unsigned char byte) { return byte == written; });
        if (!kept) found = "an object does not keep what was written into it";
        way.put(objects[i]);
    }
    return found;
}

}  // namespace kmemlab::micro

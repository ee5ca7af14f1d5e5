/// AnyAllocator: any model, known only at run time; itself models Allocator, ObjectCaches and PageSource.
/// Which of the last two may be called is for capabilities() to say; calling one that the model lacks
/// throws UsageError. Loops that count are templates over the concrete type (registry.hpp, visit_model):
/// erase the loop, not the call.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "allocators/contract/model.hpp"

namespace kmemlab {

class AnyAllocator {
  public:
    /// A cache of the model inside; only its address means something here.
    class Cache {
      private:
        Cache() = default;
    };

    template <Model M>
    [[nodiscard]] static AnyAllocator of(const typename M::Config& config) {
        return AnyAllocator{std::make_unique<Holder<M>>(config)};
    }

    [[nodiscard]] const ModelInfo& info() const { return held_->info(); }
    [[nodiscard]] const Capabilities& capabilities() const { return info().capabilities; }

    [[nodiscard]] void* allocate(const Request& request) { return held_->allocate(request); }
    void deallocate(void* p, CpuId cpu) { held_->deallocate(p, cpu); }
    [[nodiscard]] std::size_t usable_size(void* p) const { return held_->usable_size(p); }
    [[nodiscard]] AllocatorStats stats() const { return held_->stats(); }
    [[nodiscard]] Path last_path(CpuId cpu) { return held_->last_path(cpu); }
    void drain(CpuId cpu) { held_->drain(cpu); }
    [[nodiscard]] MaybeViolation find_violation() const { return held_->find_violation(); }
    [[nodiscard]] std::vector<Text> snapshot() const { return held_->snapshot(); }
    [[nodiscard]] FreeBlocks free_blocks() const { return held_->free_blocks(); }

    [[nodiscard]] Cache* kmem_cache_create(const CacheDescription& d) { return held_->create(d); }
    [[nodiscard]] bool kmem_cache_destroy(Cache& cache, CpuId cpu) { return held_->destroy(cache, cpu); }
    [[nodiscard]] void* kmem_cache_alloc(Cache& cache, Gfp gfp, CpuId cpu) {
        return held_->cache_alloc(cache, gfp, cpu);
    }
    void kmem_cache_free(Cache& cache, void* p, CpuId cpu) { held_->cache_free(cache, p, cpu); }
    [[nodiscard]] std::size_t kmem_cache_alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects,
                                                    CpuId cpu) {
        return held_->alloc_bulk(cache, gfp, objects, cpu);
    }
    void kmem_cache_free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu) {
        held_->free_bulk(cache, objects, cpu);
    }
    bool kmem_cache_shrink(Cache& cache, CpuId cpu) { return held_->shrink(cache, cpu); }

    [[nodiscard]] std::optional<Pfn> take(Order order, Gfp gfp, CpuId cpu) {
        return held_->take(order, gfp, cpu);
    }
    void give(Pfn pfn, Order order, CpuId cpu) { held_->give(pfn, order, cpu); }
    [[nodiscard]] Arena& arena() { return held_->arena(); }

  private:
    struct Interface {
        virtual ~Interface() = default;
        virtual const ModelInfo& info() const = 0;
        virtual void* allocate(const Request& request) = 0;
        virtual void deallocate(void* p, CpuId cpu) = 0;
        virtual std::size_t usable_size(void* p) const = 0;
        virtual AllocatorStats stats() const = 0;
        virtual Path last_path(CpuId cpu) = 0;
        virtual void drain(CpuId cpu) = 0;
        virtual MaybeViolation find_violation() const = 0;
        virtual std::vector<Text> snapshot() const = 0;
        virtual FreeBlocks free_blocks() const = 0;
        virtual Cache* create(const CacheDescription& description) = 0;
        virtual bool destroy(Cache& cache, CpuId cpu) = 0;
        virtual void* cache_alloc(Cache& cache, Gfp gfp, CpuId cpu) = 0;
        virtual void cache_free(Cache& cache, void* p, CpuId cpu) = 0;
        virtual std::size_t alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects, CpuId cpu) = 0;
        virtual void free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu) = 0;
        virtual bool shrink(Cache& cache, CpuId cpu) = 0;
        virtual std::optional<Pfn> take(Order order, Gfp gfp, CpuId cpu) = 0;
        virtual void give(Pfn pfn, Order order, CpuId cpu) = 0;
        virtual Arena& arena() = 0;
    };

    template <Model M>
    class Holder final : public Interface {
      public:
        explicit Holder(const typename M::Config& config) : model_{config} {}

        const ModelInfo& info() const override { return M::info; }
        void* allocate(const Request& request) override { return model_.allocate(request); }
        void deallocate(void* p, CpuId cpu) override { model_.deallocate(p, cpu); }
        std::size_t usable_size(void* p) const override { return model_.usable_size(p); }
        AllocatorStats stats() const override { return model_.stats(); }
        Path last_path(CpuId cpu) override { return model_.last_path(cpu); }
        void drain(CpuId cpu) override { model_.drain(cpu); }
        MaybeViolation find_violation() const override { return model_.find_violation(); }
        std::vector<Text> snapshot() const override { return model_.snapshot(); }
        FreeBlocks free_blocks() const override { return model_.free_blocks(); }

        Cache* create(const CacheDescription& description) override {
            if constexpr (ObjectCaches<M>) {
                return reinterpret_cast<Cache*>(model_.kmem_cache_create(description));
            } else {
                lacks("object caches");
            }
        }
        bool destroy(Cache& cache, CpuId cpu) override {
            if constexpr (ObjectCaches<M>) return model_.kmem_cache_destroy(inner(cache), cpu);
            lacks("object caches");
        }
        void* cache_alloc(Cache& cache, Gfp gfp, CpuId cpu) override {
            if constexpr (ObjectCaches<M>) return model_.kmem_cache_alloc(inner(cache), gfp, cpu);
            lacks("object caches");
        }
        void cache_free(Cache& cache, void* p, CpuId cpu) override {
            if constexpr (ObjectCaches<M>) return model_.kmem_cache_free(inner(cache), p, cpu);
            lacks("object caches");
        }
        std::size_t alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> objects, CpuId cpu) override {
            if constexpr (ObjectCaches<M>)
                return model_.kmem_cache_alloc_bulk(inner(cache), gfp, objects, cpu);
            lacks("object caches");
        }
        void free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu) override {
            if constexpr (ObjectCaches<M>) return model_.kmem_cache_free_bulk(inner(cache), objects, cpu);
            lacks("object caches");
        }
        bool shrink(Cache& cache, CpuId cpu) override {
            if constexpr (ObjectCaches<M>) return model_.kmem_cache_shrink(inner(cache), cpu);
            lacks("object caches");
        }
        std::optional<Pfn> take(Order order, Gfp gfp, CpuId cpu) override {
            if constexpr (PageSource<M>) return model_.take(order, gfp, cpu);
            lacks("pages");
        }
        void give(Pfn pfn, Order order, CpuId cpu) override {
            if constexpr (PageSource<M>) return model_.give(pfn, order, cpu);
            lacks("pages");
        }
        Arena& arena() override {
            if constexpr (PageSource<M>) return model_.arena();
            lacks("pages");
        }

      private:
        /// The model's cache type; a dependent name, so that models without caches compile.
        static auto& inner(Cache& cache) requires ObjectCaches<M> {
            return reinterpret_cast<typename M::Cache&>(cache);
        }
        [[noreturn]] static void lacks(std::string_view what) {
            throw UsageError::of("allocator {} has no {}", M::info.name, what);
        }

        M model_;
    };

    explicit AnyAllocator(std::unique_ptr<Interface> held) : held_{std::move(held)} {}

    std::unique_ptr<Interface> held_;
};

static_assert(Allocator<AnyAllocator>);
static_assert(ObjectCaches<AnyAllocator>);
static_assert(PageSource<AnyAllocator>);

}  // namespace kmemlab

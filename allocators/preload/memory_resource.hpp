/// Allocators of this laboratory as std::pmr::memory_resource, for containers of a program of yours:
///
///     SlubModel slub{{}};                                    // any model of the registry
///     ModelResource all{slub, CpuId{0}};                     // for vectors and strings
///     CacheResource nodes{slub, *cache, 48, 8, CpuId{0}};    // for a list, set or map: nodes of one size
///
/// A resource stands on one CPU: whoever uses it is alone on that, as with any call of an allocator.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <new>

#include "allocators/contract/allocator.hpp"
#include "allocators/objects/cache.hpp"

namespace kmemlab {

/// Everything from allocate() of a model. Throws std::bad_alloc without memory. The model must outlive it.
template <Allocator A>
class ModelResource final : public std::pmr::memory_resource {
  public:
    explicit ModelResource(A& allocator, CpuId cpu) : allocator_{allocator}, cpu_{cpu} {}

  private:
    void* do_allocate(std::size_t bytes, std::size_t align) override {
        void* const p = allocator_.allocate(
            {.size = bytes == 0 ? 1 : bytes, .gfp = GFP_KERNEL, .align = align, .cpu = cpu_});
        return p != nullptr ? p : throw std::bad_alloc{};
    }
    void do_deallocate(void* p, std::size_t, std::size_t) override { allocator_.deallocate(p, cpu_); }
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override {
        const auto* const same = dynamic_cast<const ModelResource*>(&other);
        return same != nullptr && &same->allocator_ == &allocator_;
    }

    A& allocator_;
    CpuId cpu_;
};

/// Objects of a cache for requests that fit in one, `upstream` for all others.
template <ObjectCaches A>
class CacheResource final : public std::pmr::memory_resource {
  public:
    using Cache = typename A::Cache;
    /// Requests up to `size` and `align` come from `cache`, which was made for these.
    CacheResource(A& allocator, Cache& cache, std::size_t size, std::size_t align, CpuId cpu,
                  std::pmr::memory_resource* upstream = std::pmr::get_default_resource())
        : allocator_{allocator}, cache_{cache}, size_{size}, align_{align}, cpu_{cpu}, upstream_{upstream} {}

  private:
    [[nodiscard]] bool fits(std::size_t bytes, std::size_t align) const {
        return bytes <= size_ && align <= align_;
    }
    void* do_allocate(std::size_t bytes, std::size_t align) override {
        if (!fits(bytes, align)) return upstream_->allocate(bytes, align);
        void* const p = allocator_.kmem_cache_alloc(cache_, GFP_KERNEL, cpu_);
        return p != nullptr ? p : throw std::bad_alloc{};
    }
    void do_deallocate(void* p, std::size_t bytes, std::size_t align) override {
        if (!fits(bytes, align)) return upstream_->deallocate(p, bytes, align);
        allocator_.kmem_cache_free(cache_, p, cpu_);
    }
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override {
        return this == &other;
    }

    A& allocator_;
    Cache& cache_;
    std::size_t size_;
    std::size_t align_;
    CpuId cpu_;
    std::pmr::memory_resource* upstream_;
};

}  // namespace kmemlab

/// Allocators that do nothing, one per kind of target: what a pass costs with them is the harness's own cost.
/// The one object or page that they have is given to everybody, so nothing but a measured pass may use them.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "allocators/contract/model.hpp"

namespace kmemlab::replay {

class NullModel {
  public:
    struct Config {
        [[nodiscard]] std::vector<Tunable> tunables() { return {}; }
    };

    void deallocate(void*, CpuId) {}
    [[nodiscard]] std::size_t usable_size(void*) const { return page_size; }
    [[nodiscard]] AllocatorStats stats() const { return {}; }
    [[nodiscard]] Path last_path(CpuId) { return Path::opaque; }
    void drain(CpuId) {}
    [[nodiscard]] MaybeViolation find_violation() const { return {}; }
    [[nodiscard]] std::vector<Text> snapshot() const { return {}; }
    [[nodiscard]] FreeBlocks free_blocks() const { return {}; }
};

class NullObjects : public NullModel {
  public:
    static constexpr ModelInfo info{.name = "null",
                                    .follows = "nobody",
                                    .what = "the harness alone",
                                    .capabilities = {.largest = page_size, .object_caches = true}};
    struct Cache {};

    explicit NullObjects(const Config&) {}
    [[nodiscard]] void* allocate(const Request&) { return object_.data(); }
    [[nodiscard]] Cache* kmem_cache_create(const CacheDescription&) { return &cache_; }
    [[nodiscard]] bool kmem_cache_destroy(Cache&, CpuId) { return true; }
    [[nodiscard]] void* kmem_cache_alloc(Cache&, Gfp, CpuId) { return object_.data(); }
    void kmem_cache_free(Cache&, void*, CpuId) {}
    [[nodiscard]] std::size_t kmem_cache_alloc_bulk(Cache&, Gfp, std::span<void*> objects, CpuId) {
        for (void*& p : objects) p = object_.data();
        return objects.size();
    }
    void kmem_cache_free_bulk(Cache&, std::span<void*>, CpuId) {}
    bool kmem_cache_shrink(Cache&, CpuId) { return false; }

  private:
    Cache cache_;
    alignas(cache_line_size) std::array<std::byte, cache_line_size> object_{};
};
static_assert(Model<NullObjects>);

class NullPages : public NullModel {
  public:
    static constexpr ModelInfo info{.name = "null",
                                    .follows = "nobody",
                                    .what = "the harness alone",
                                    .capabilities = {.largest = page_size, .pages = true}};

    explicit NullPages(const Config&) : arena_{page_size} {}
    [[nodiscard]] void* allocate(const Request&) { return arena_.address(arena_.start()); }
    [[nodiscard]] std::optional<Pfn> take(Order, Gfp, CpuId) { return arena_.start(); }
    void give(Pfn, Order, CpuId) {}
    [[nodiscard]] Arena& arena() { return arena_; }

  private:
    Arena arena_;
};
static_assert(Model<NullPages>);

class NullAreas : public NullModel {
  public:
    static constexpr ModelInfo info{.name = "null",
                                    .follows = "nobody",
                                    .what = "the harness alone",
                                    .capabilities = {.largest = page_size, .areas = true}};

    explicit NullAreas(const Config&) {}
    [[nodiscard]] void* allocate(const Request&) { return page_.data(); }
    void purge(CpuId) {}

  private:
    std::array<std::byte, page_size> page_{};
};
static_assert(Model<NullAreas>);

}  // namespace kmemlab::replay

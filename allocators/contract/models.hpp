/// The models of kmemlab: a machine (arena, CPUs), the page allocator on it, and what stands on that.
#pragma once

#include <vector>

#include "allocators/buddy/buddy.hpp"
#include "allocators/contract/model.hpp"
#include "allocators/machine/machine_config.hpp"
#include "allocators/sheaves/sheaves.hpp"
#include "allocators/slab/slab.hpp"
#include "allocators/slob/slob.hpp"
#include "allocators/slub/slub.hpp"

namespace kmemlab {

/// Appends the tunables of the parts of a configuration.
template <class... Parts>
[[nodiscard]] std::vector<Tunable> all_tunables(Parts&... parts) {
    std::vector<Tunable> all;
    const auto append = [&](std::vector<Tunable> some) {
        for (Tunable& tunable : some) all.push_back(std::move(tunable));
    };
    (append(parts.tunables()), ...);
    return all;
}

/// The buddy allocator alone, asked for pages.
class BuddyModel {
  public:
    static constexpr ModelInfo info{
        .name = "buddy",
        .follows = "Linux 6.1",
        .what = "page allocator: zones, migrate types, watermarks, per-CPU page lists",
        .capabilities = {.smallest = page_size,
                         .largest = max_order.bytes(),
                         .largest_align = max_order.bytes(),
                         .natural_alignment = true,
                         .thread_safe = true,
                         .deterministic = true,
                         .pages = true},
    };

    struct Config {
        MachineConfig machine;
        BuddyConfig buddy;
        [[nodiscard]] std::vector<Tunable> tunables() { return all_tunables(machine, buddy); }
    };

    explicit BuddyModel(const Config& config)
        : arena_{config.machine.arena, Pfn{config.machine.start_pfn}},
          cpus_{config.machine.cpus},
          buddy_{arena_, cpus_, config.buddy, misuse_} {}

    [[nodiscard]] std::optional<Pfn> take(Order order, Gfp gfp, CpuId cpu) {
        return buddy_.take(order, gfp, cpu);
    }
    void give(Pfn pfn, Order order, CpuId cpu) { buddy_.give(pfn, order, cpu); }
    [[nodiscard]] Arena& arena() { return arena_; }

    [[nodiscard]] void* allocate(const Request& request) { return buddy_.allocate(request); }
    void deallocate(void* p, CpuId cpu) { buddy_.deallocate(p, cpu); }
    [[nodiscard]] std::size_t usable_size(const void* p) const { return buddy_.usable_size(p); }
    [[nodiscard]] AllocatorStats stats() const { return buddy_.stats(); }
    [[nodiscard]] Path last_path(CpuId cpu) { return buddy_.last_path(cpu); }
    void drain(CpuId cpu) { buddy_.drain(cpu); }
    [[nodiscard]] MaybeViolation find_violation() const { return buddy_.find_violation(); }
    [[nodiscard]] std::vector<Text> snapshot() const { return buddy_.snapshot(); }
    [[nodiscard]] FreeBlocks free_blocks() const { return buddy_.free_blocks(); }

    [[nodiscard]] Buddy<OwnedCpus>& buddy() { return buddy_; }

  private:
    MisuseLog misuse_;
    Arena arena_;
    OwnedCpus cpus_;
    Buddy<OwnedCpus> buddy_;
};

/// An object allocator over the buddy allocator. `Objects` models Allocator and ObjectCaches and is built
/// from a page source, CPUs, its configuration and a MisuseLog; `Info` is what the registry says of it.
template <class Objects, class ObjectsConfig, const ModelInfo& Info>
class ObjectsModel {
  public:
    static constexpr ModelInfo info = Info;
    using Cache = typename Objects::Cache;

    struct Config {
        MachineConfig machine;
        BuddyConfig buddy;
        ObjectsConfig objects;
        [[nodiscard]] std::vector<Tunable> tunables() { return all_tunables(machine, buddy, objects); }
    };

    explicit ObjectsModel(const Config& config)
        : arena_{config.machine.arena, Pfn{config.machine.start_pfn}},
          cpus_{config.machine.cpus},
          buddy_{arena_, cpus_, config.buddy, misuse_},
          objects_{buddy_, cpus_, config.objects, misuse_} {}

    [[nodiscard]] Cache* kmem_cache_create(const CacheDescription& description) {
        return objects_.kmem_cache_create(description);
    }
    [[nodiscard]] bool kmem_cache_destroy(Cache& cache, CpuId cpu) {
        return objects_.kmem_cache_destroy(cache, cpu);
    }
    [[nodiscard]] void* kmem_cache_alloc(Cache& cache, Gfp gfp, CpuId cpu) {
        return objects_.kmem_cache_alloc(cache, gfp, cpu);
    }
    void kmem_cache_free(Cache& cache, void* p, CpuId cpu) { objects_.kmem_cache_free(cache, p, cpu); }
    [[nodiscard]] std::size_t kmem_cache_alloc_bulk(Cache& cache, Gfp gfp, std::span<void*> out, CpuId cpu) {
        return objects_.kmem_cache_alloc_bulk(cache, gfp, out, cpu);
    }
    void kmem_cache_free_bulk(Cache& cache, std::span<void*> objects, CpuId cpu) {
        objects_.kmem_cache_free_bulk(cache, objects, cpu);
    }
    bool kmem_cache_shrink(Cache& cache, CpuId cpu) { return objects_.kmem_cache_shrink(cache, cpu); }

    [[nodiscard]] void* allocate(const Request& request) { return objects_.allocate(request); }
    void deallocate(void* p, CpuId cpu) { objects_.deallocate(p, cpu); }
    [[nodiscard]] std::size_t usable_size(void* p) const { return objects_.usable_size(p); }
    [[nodiscard]] AllocatorStats stats() const {
        AllocatorStats stats = objects_.stats();
        stats.metadata_bytes += buddy_.stats().metadata_bytes;
        return stats;
    }
    [[nodiscard]] Path last_path(CpuId cpu) { return objects_.last_path(cpu); }
    void drain(CpuId cpu) {
        objects_.drain(cpu);
        buddy_.drain(cpu);
    }
    /// The object layer's laws, the page layer's, and that both count the same pages (G8).
    [[nodiscard]] MaybeViolation find_violation() const {
        if (auto found = objects_.find_violation()) return found;
        if (auto found = buddy_.find_violation()) return found;
        const std::uint64_t held = objects_.stats().held_bytes;
        const std::uint64_t given = buddy_.pages_in_use() << page_shift;
        if (held != given)
            return violation("G8", "objects hold {} bytes of pages, buddy gave {}", held, given);
        return {};
    }
    [[nodiscard]] std::vector<Text> snapshot() const {
        std::vector<Text> texts = objects_.snapshot();
        for (Text& text : buddy_.snapshot()) texts.push_back(std::move(text));
        return texts;
    }
    [[nodiscard]] FreeBlocks free_blocks() const { return buddy_.free_blocks(); }

    [[nodiscard]] Arena& arena() { return arena_; }
    [[nodiscard]] Objects& objects() { return objects_; }
    [[nodiscard]] Buddy<OwnedCpus>& buddy() { return buddy_; }

  private:
    MisuseLog misuse_;
    Arena arena_;
    OwnedCpus cpus_;
    Buddy<OwnedCpus> buddy_;
    Objects objects_;
};

/// What SLAB, SLUB and SLOB over buddy have in common, and what differs: the smallest request's bytes.
[[nodiscard]] constexpr Capabilities object_capabilities(std::size_t smallest) {
    return {.smallest = smallest,
            .largest = max_order.bytes(),
            .largest_align = max_order.bytes(),
            .natural_alignment = true,
            .thread_safe = true,
            .deterministic = true,
            .object_caches = true};
}

inline constexpr ModelInfo slub_info{
    .name = "slub",
    .follows = "Linux 6.1",
    .what = "object caches with per-CPU slabs and partial lists, over buddy",
    .capabilities = object_capabilities(8),
};
using SlubModel = ObjectsModel<Slub<OwnedCpus>, SlubConfig, slub_info>;

inline constexpr ModelInfo sheaves_info{
    .name = "slub-sheaves",
    .follows = "Linux 7.0",
    .what = "slub with arrays of free objects per CPU and node in the place of CPU slabs, over buddy",
    .capabilities = slub_info.capabilities,
};
using SheavesModel = ObjectsModel<Sheaves<OwnedCpus>, SheavesConfig, sheaves_info>;

inline constexpr ModelInfo slab_info{
    .name = "slab",
    .follows = "Linux 6.1",
    .what = "object caches with per-CPU arrays, a shared array and colours, over buddy",
    .capabilities =
        [] {
            Capabilities capabilities = object_capabilities(32);
            capabilities.class_align = cache_line_size;  // SLAB-1
            return capabilities;
        }(),
};
using SlabModel = ObjectsModel<Slab<OwnedCpus>, SlabConfig, slab_info>;

inline constexpr ModelInfo slob_info{
    .name = "slob",
    .follows = "Linux 6.1",
    .what = "one heap for all sizes, first fit in units of 2 bytes under one lock, over buddy",
    .capabilities =
        [] {
            Capabilities capabilities = object_capabilities(2);
            capabilities.constructs_each_time = true;
            capabilities.headers = true;
            return capabilities;
        }(),
};
using SlobModel = ObjectsModel<Slob<OwnedCpus>, SlobConfig, slob_info>;

}  // namespace kmemlab

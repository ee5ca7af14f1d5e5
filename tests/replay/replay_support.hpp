/// Hand-made traces, and an allocator whose faults are chosen.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "allocators/contract/model.hpp"
#include "bench/replay/workload.hpp"
#include "bench/trace/trace.hpp"

namespace kmemlab::replay {

/// Adds operations one by one; object numbers are the caller's.
class TraceBuilder {
  public:
    explicit TraceBuilder(std::string name = "made") {
        trace_.name = std::move(name);
        trace_.call_sites = {""};
        trace_.cpus = 1;
    }

    std::uint32_t cache(std::string name, std::uint32_t size) {
        trace_.caches.push_back({std::move(name), size});
        return static_cast<std::uint32_t>(trace_.caches.size() - 1);
    }
    TraceBuilder& kmalloc(std::uint32_t object, std::uint32_t bytes, Gfp gfp = GFP_KERNEL, unsigned cpu = 0) {
        return add(trace::Kind::kmalloc, object, bytes, gfp, cpu);
    }
    TraceBuilder& kfree(std::uint32_t object, std::uint32_t bytes, unsigned cpu = 0) {
        return add(trace::Kind::kfree, object, bytes, Gfp{}, cpu);
    }
    TraceBuilder& cache_alloc(std::uint32_t object, std::uint32_t cache, Gfp gfp = GFP_KERNEL) {
        return add(trace::Kind::kmem_cache_alloc, object, cache, gfp, 0);
    }
    TraceBuilder& cache_free(std::uint32_t object, std::uint32_t cache, unsigned cpu = 0) {
        return add(trace::Kind::kmem_cache_free, object, cache, Gfp{}, cpu);
    }
    TraceBuilder& page_alloc(std::uint32_t object, unsigned order, unsigned migrate_type = 0,
                             Gfp gfp = GFP_KERNEL, unsigned cpu = 0) {
        return add(trace::Kind::page_alloc, object, order | migrate_type << 8, gfp, cpu);
    }
    TraceBuilder& page_free(std::uint32_t object, unsigned order) {
        return add(trace::Kind::page_free, object, order, Gfp{}, 0);
    }
    /// `pages` count the guard; aligned to page_size << align_order.
    TraceBuilder& area_alloc(std::uint32_t object, std::uint32_t pages, std::uint8_t align_order = 0) {
        return add(trace::Kind::vmap_alloc, object, pages, Gfp{}, 0, align_order);
    }
    TraceBuilder& area_free(std::uint32_t object, std::uint32_t pages, unsigned cpu = 0) {
        return add(trace::Kind::vmap_free, object, pages, Gfp{}, cpu);
    }
    TraceBuilder& purge(std::uint32_t areas) {
        constexpr std::uint32_t nobody = trace::Operation::no_object;
        trace_.operations.emplace_back(trace::Kind::vmap_purge, nobody, areas, Gfp{}, CpuId{0},
                                       std::uint16_t{0});
        trace_.times.push_back(trace_.times.size() * 1'000'000);
        return *this;
    }

    [[nodiscard]] const trace::Trace& trace() const { return trace_; }

  private:
    TraceBuilder& add(trace::Kind kind, std::uint32_t object, std::uint32_t amount, Gfp gfp, unsigned cpu,
                      std::uint8_t align_order = 0) {
        trace_.operations.emplace_back(kind, object, amount, gfp, CpuId{cpu}, std::uint16_t{0}, align_order);
        trace_.times.push_back(trace_.times.size() * 1'000'000);
        auto& slots = trace_.slots_per_layer[static_cast<unsigned>(trace::layer_of(kind))];
        slots = std::max(slots, object + 1);
        trace_.cpus = std::max(trace_.cpus, cpu + 1);
        return *this;
    }

    trace::Trace trace_;
};

/// An allocator whose faults its configuration chooses. The first allocation makes a
/// "slab", later ones are fast.
class FaultyModel {
  public:
    static constexpr ModelInfo info{
        .name = "faulty",
        .follows = "nobody",
        .what = "test double with chosen faults",
        .capabilities = {.largest = 1U << 20, .largest_align = 16, .deterministic = true}};
    static constexpr std::uint64_t never = ~std::uint64_t{0};

    struct Config {
        std::uint64_t fail_at = never;      ///< this allocation (from 0) returns null
        std::uint64_t repeat_at = never;    ///< this one gives the address of the one before
        std::uint64_t scribble_at = never;  ///< this one writes into the one before
        std::uint64_t break_at = never;     ///< find_violation finds something from this allocation on
        bool zeroes = true;                 ///< __GFP_ZERO is honoured
        bool leaks = false;                 ///< free blocks do not come back
        [[nodiscard]] std::vector<Tunable> tunables() { return {}; }
    };

    explicit FaultyModel(const Config& config) : config_{config} {}

    [[nodiscard]] void* allocate(const Request& request) {
        const std::uint64_t now = count_++;
        path_ = now == 0 ? Path::new_slab : Path::fast;
        if (now == config_.fail_at) {
            path_ = Path::failed;
            return nullptr;
        }
        if (now == config_.repeat_at) return last_;
        if (now == config_.scribble_at) *static_cast<unsigned char*>(last_) ^= 0xff;
        void* p = fresh(config_.zeroes && request.gfp.has(__GFP_ZERO) ? 0 : 0x5a);
        last_ = p;
        held_ += usable;
        return p;
    }
    void deallocate(void*, CpuId) { path_ = Path::fast; }
    [[nodiscard]] std::size_t usable_size(void*) const { return usable; }
    [[nodiscard]] AllocatorStats stats() const {
        AllocatorStats stats;
        stats.held_bytes = held_;
        return stats;
    }
    [[nodiscard]] Path last_path(CpuId) { return path_; }
    void drain(CpuId) {}
    [[nodiscard]] MaybeViolation find_violation() const {
        if (count_ <= config_.break_at) return {};
        return violation("U1", "planted");
    }
    [[nodiscard]] std::vector<Text> snapshot() const { return {{"slabinfo", std::to_string(count_)}}; }
    [[nodiscard]] FreeBlocks free_blocks() const {
        std::array<std::uint64_t, order_count> blocks{};
        blocks[3] = config_.leaks ? 100 - count_ : 100;
        return blocks;
    }

    /// Of each object, so requests must be smaller.
    static constexpr std::size_t usable = 256;

  private:
    void* fresh(unsigned char content) {
        objects_.push_back(std::make_unique<Object>());
        objects_.back()->fill(content);
        return objects_.back()->data();
    }

    using Object = std::array<unsigned char, usable>;

    Config config_;
    std::uint64_t count_ = 0;
    std::uint64_t held_ = 0;
    Path path_ = Path::fast;
    std::vector<std::unique_ptr<Object>> objects_;  // all to the end: after a fault nobody frees the rest
    void* last_ = nullptr;
};
static_assert(Model<FaultyModel>);

}  // namespace kmemlab::replay

/// What a trace holds, counted: the figures behind describe().
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <vector>

#include "bench/trace/trace.hpp"

namespace kmemlab::trace {

/// Counts by powers of two: bucket 0 holds zeros, bucket b the values of 2^(b-1) to 2^b - 1.
class Log2Histogram {
  public:
    static constexpr unsigned bucket_count = 65;

    void add(std::uint64_t value) { ++buckets_[static_cast<unsigned>(std::bit_width(value))]; }
    [[nodiscard]] std::uint64_t count(unsigned bucket) const { return buckets_[bucket]; }
    /// The smallest value of a bucket.
    [[nodiscard]] static std::uint64_t lower(unsigned bucket) {
        return bucket == 0 ? 0 : std::uint64_t{1} << (bucket - 1);
    }

  private:
    std::array<std::uint64_t, bucket_count> buckets_{};
};

struct LayerSummary {
    std::uint64_t allocations = 0;
    std::uint64_t frees = 0;
    std::uint64_t cross_cpu_frees = 0;  ///< freed on another CPU than allocated
    std::uint64_t peak_live = 0;
    Log2Histogram lifetime_operations;  ///< from allocation to free, operations of all layers
    Log2Histogram lifetime_us;          ///< the same in microseconds, as kernels print times
};

struct CacheSummary {
    std::uint64_t allocations = 0;
    std::uint64_t frees = 0;
    std::uint64_t peak_live = 0;
};

struct CpuSummary {
    std::uint64_t allocations = 0;
    std::uint64_t frees = 0;
    std::uint64_t remote_frees = 0;  ///< of what another CPU allocated
};

struct CallSiteSummary {
    std::uint64_t allocations = 0;
    std::uint64_t frees = 0;
    std::uint64_t bytes = 0;  ///< requested here from the object layer
};

struct Summary {
    std::array<LayerSummary, layer_count> layers{};
    Log2Histogram kmalloc_sizes;                              ///< bytes requested
    std::map<std::uint32_t, std::uint64_t> kmalloc_by_size;   ///< exact sizes
    std::map<unsigned, std::uint64_t> pages_by_order;         ///< allocations
    std::map<unsigned, std::uint64_t> pages_by_migrate_type;  ///< allocations
    std::map<std::uint32_t, std::uint64_t> areas_by_pages;    ///< allocations
    std::vector<CacheSummary> caches;
    std::vector<CpuSummary> cpus;
    std::vector<CallSiteSummary> call_sites;
    std::uint64_t purges = 0;
};

[[nodiscard]] Summary summarize(const Trace& trace);

}  // namespace kmemlab::trace

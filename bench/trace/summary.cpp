#include "bench/trace/summary.hpp"

#include <algorithm>

namespace kmemlab::trace {
namespace {

class Summarizer {
  public:
    explicit Summarizer(const Trace& trace) : trace_{trace} {
        summary_.caches.resize(trace.caches.size());
        summary_.cpus.resize(trace.cpus);
        summary_.call_sites.resize(trace.call_sites.size());
        for (unsigned i = 0; i < layer_count; ++i) born_[i].resize(trace.slots_per_layer[i]);
    }

    Summary run() {
        for (std::size_t i = 0; i < trace_.operations.size(); ++i) {
            const Kind kind = trace_.operations[i].kind();
            if (kind == Kind::vmap_purge) {
                ++summary_.purges;
            } else if (is_allocation(kind)) {
                add_allocation(i, trace_.operations[i]);
            } else {
                add_free(i, trace_.operations[i]);
            }
        }
        return std::move(summary_);
    }

  private:
    [[nodiscard]] static unsigned layer_index(const Operation& operation) {
        return static_cast<unsigned>(layer_of(operation.kind()));
    }

    void add_allocation(std::size_t index, const Operation& operation) {
        const unsigned layer = layer_index(operation);
        LayerSummary& of_layer = summary_.layers[layer];
        ++of_layer.allocations;
        of_layer.peak_live = std::max(of_layer.peak_live, of_layer.allocations - of_layer.frees);
        born_[layer][operation.object()] = index;
        ++summary_.cpus[operation.cpu().value()].allocations;
        ++summary_.call_sites[operation.call_site()].allocations;
        add_what(operation);
    }

    void add_what(const Operation& operation) {
        std::uint64_t& site_bytes = summary_.call_sites[operation.call_site()].bytes;
        switch (operation.kind()) {
            case Kind::kmalloc:
                summary_.kmalloc_sizes.add(operation.bytes());
                ++summary_.kmalloc_by_size[operation.amount()];
                site_bytes += operation.bytes();
                break;
            case Kind::kmem_cache_alloc: {
                CacheSummary& cache = summary_.caches[operation.cache()];
                ++cache.allocations;
                cache.peak_live = std::max(cache.peak_live, cache.allocations - cache.frees);
                site_bytes += trace_.caches[operation.cache()].object_size;
                break;
            }
            case Kind::page_alloc:
                ++summary_.pages_by_order[operation.order().value()];
                ++summary_.pages_by_migrate_type[operation.migrate_type()];
                break;
            default:
                ++summary_.areas_by_pages[operation.amount()];
                break;
        }
    }

    void add_free(std::size_t index, const Operation& operation) {
        const unsigned layer = layer_index(operation);
        LayerSummary& of_layer = summary_.layers[layer];
        const std::size_t born = born_[layer][operation.object()];
        ++of_layer.frees;
        of_layer.lifetime_operations.add(index - born);
        of_layer.lifetime_us.add((trace_.times[index] - trace_.times[born]) / 1000);
        CpuSummary& cpu = summary_.cpus[operation.cpu().value()];
        ++cpu.frees;
        ++summary_.call_sites[operation.call_site()].frees;
        if (operation.kind() == Kind::kmem_cache_free) ++summary_.caches[operation.cache()].frees;
        if (trace_.operations[born].cpu() == operation.cpu()) return;
        ++of_layer.cross_cpu_frees;
        ++cpu.remote_frees;
    }

    const Trace& trace_;
    Summary summary_;
    std::array<std::vector<std::size_t>, layer_count> born_;  ///< operation that allocated what is in a slot
};

}  // namespace

Summary summarize(const Trace& trace) {
    return Summarizer{trace}.run();
}

}  // namespace kmemlab::trace

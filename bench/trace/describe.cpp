#include "bench/trace/describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "bench/trace/summary.hpp"

namespace kmemlab::trace {
namespace {

using nlohmann::json;

// ---- JSON --------------------------------------------------------------------------------------------

json to_json(const Log2Histogram& histogram) {
    json rows = json::array();
    for (unsigned i = 0; i < Log2Histogram::bucket_count; ++i)
        if (histogram.count(i) != 0) rows.push_back({Log2Histogram::lower(i), histogram.count(i)});
    return rows;
}

template <class Key>
json to_json(const std::map<Key, std::uint64_t>& counts) {
    json rows = json::array();
    for (const auto& [key, count] : counts) rows.push_back({key, count});
    return rows;
}

/// Counters that tell what the recording does not; key and meaning, in the order of the report.
std::vector<std::pair<std::string_view, std::uint64_t>> oddities(const TraceCounts& counts) {
    return {{"null_frees", counts.null_frees},
            {"failed_allocations", counts.failed_allocations},
            {"unknown_addresses", counts.unknown_addresses},
            {"batched_without_free", counts.batched_without_free},
            {"freed_with_other_order", counts.freed_with_other_order},
            {"freed_under_other_name", counts.freed_under_other_name},
            {"freed_by_other_call", counts.freed_by_other_call},
            {"cache_sizes_differ", counts.cache_sizes_differ},
            {"gfp_names_unknown", counts.gfp_names_unknown},
            {"times_backwards", counts.times_backwards}};
}

json layers_json(const Trace& trace, const Summary& summary) {
    json layers;
    for (unsigned i = 0; i < layer_count; ++i) {
        const LayerSummary& layer = summary.layers[i];
        layers[std::string{to_string(static_cast<Layer>(i))}] = {
            {"allocations", layer.allocations},
            {"frees", layer.frees},
            {"peak_live", layer.peak_live},
            {"cross_cpu_frees", layer.cross_cpu_frees},
            {"frees_without_allocation", trace.counts.frees_without_allocation[i]},
            {"addresses_reused_without_free", trace.counts.addresses_reused_without_free[i]},
            {"never_freed", trace.counts.never_freed[i]},
            {"lifetime_operations", to_json(layer.lifetime_operations)},
            {"lifetime_us", to_json(layer.lifetime_us)}};
    }
    return layers;
}

json caches_json(const Trace& trace, const Summary& summary) {
    json rows = json::array();
    for (std::size_t i = 0; i < trace.caches.size(); ++i) {
        const CacheSummary& cache = summary.caches[i];
        rows.push_back({{"name", trace.caches[i].name},
                        {"object_size", trace.caches[i].object_size},
                        {"allocations", cache.allocations},
                        {"frees", cache.frees},
                        {"peak_live", cache.peak_live}});
    }
    return rows;
}

json call_sites_json(const Trace& trace, const Summary& summary) {
    json rows = json::array();
    for (std::size_t i = 1; i < trace.call_sites.size(); ++i) {
        const CallSiteSummary& site = summary.call_sites[i];
        rows.push_back({{"name", trace.call_sites[i]},
                        {"allocations", site.allocations},
                        {"frees", site.frees},
                        {"requested_bytes", site.bytes}});
    }
    return rows;
}

json cpus_json(const Summary& summary) {
    json rows = json::array();
    for (std::size_t i = 0; i < summary.cpus.size(); ++i) {
        const CpuSummary& cpu = summary.cpus[i];
        rows.push_back({{"cpu", i},
                        {"allocations", cpu.allocations},
                        {"frees", cpu.frees},
                        {"remote_frees", cpu.remote_frees}});
    }
    return rows;
}

// ---- Text --------------------------------------------------------------------------------------------

constexpr std::size_t top_rows = 12;

std::string format_ns(std::uint64_t ns) {
    if (ns < 10'000) return fmt::format("{} ns", ns);
    if (ns < 10'000'000) return fmt::format("{} us", ns / 1'000);
    if (ns < 10'000'000'000) return fmt::format("{} ms", ns / 1'000'000);
    return fmt::format("{} s", ns / 1'000'000'000);
}

double percent(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

/// The indices 0..count-1 with the greatest weight first, at most top_rows, those of no weight left out.
template <class Weight>
std::vector<std::size_t> top_indices(std::size_t count, Weight weight) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return weight(a) > weight(b); });
    order.resize(std::min(order.size(), top_rows));
    while (!order.empty() && weight(order.back()) == 0) order.pop_back();
    return order;
}

class TextWriter {
  public:
    TextWriter(const Trace& trace, const Summary& summary) : trace_{trace}, summary_{summary} {}

    std::string write() {
        write_head();
        write_events();
        write_layers();
        write_sizes();
        write_pages();
        write_caches();
        write_lifetimes();
        write_call_sites();
        write_cpus();
        write_unmatched();
        return std::move(text_);
    }

  private:
    template <class... Args>
    void line(fmt::format_string<Args...> format, Args&&... args) {
        text_ += fmt::format(format, std::forward<Args>(args)...);
        text_ += '\n';
    }
    void title(std::string_view text) { line("\n{}", text); }

    void write_head() {
        const TraceCounts& counts = trace_.counts;
        const std::uint64_t duration = trace_.times.empty() ? 0 : trace_.times.back();
        line("trace {}: {} kernel events in {} lines, {} operations on {} CPU{}, {} long", trace_.name,
             counts.kernel_events(), counts.lines, trace_.operations.size(), trace_.cpus,
             trace_.cpus == 1 ? "" : "s", format_ns(duration));
        if (counts.lost_reports != 0)
            line("INCOMPLETE: the kernel lost at least {} events ({} reports)", counts.lost_events,
                 counts.lost_reports);
    }

    void write_events() {
        title("events");
        for (unsigned i = 0; i < event_count; ++i)
            if (trace_.counts.events[i] != 0)
                line("  {:<24}{:>10}", to_string(static_cast<Event>(i)), trace_.counts.events[i]);
        if (trace_.counts.other_events != 0)
            line("  {:<24}{:>10}", "others (ignored)", trace_.counts.other_events);
    }

    void write_layers() {
        title("layer       allocations      frees  peak live  freed on another CPU");
        for (unsigned i = 0; i < layer_count; ++i) {
            const LayerSummary& layer = summary_.layers[i];
            line("  {:<10}{:>11}{:>11}{:>11}{:>12} ({:.1f} %)", to_string(static_cast<Layer>(i)),
                 layer.allocations, layer.frees, layer.peak_live, layer.cross_cpu_frees,
                 percent(layer.cross_cpu_frees, layer.frees));
        }
        line("  objects: {} bytes requested, {} handed out by the recorded kernel",
             trace_.counts.requested_bytes, trace_.counts.handed_out_bytes);
        if (summary_.purges != 0) line("  areas: {} purges", summary_.purges);
    }

    void write_sizes() {
        if (summary_.kmalloc_by_size.empty()) return;
        title("kmalloc by bytes requested");
        for (unsigned i = 0; i < Log2Histogram::bucket_count; ++i) {
            if (summary_.kmalloc_sizes.count(i) == 0) continue;
            const std::uint64_t lower = Log2Histogram::lower(i);
            line("  {:>8} ..{:>8}{:>10}", lower, i == 0 ? 0 : 2 * lower - 1, summary_.kmalloc_sizes.count(i));
        }
        const std::vector<std::pair<std::uint32_t, std::uint64_t>> sizes(summary_.kmalloc_by_size.begin(),
                                                                         summary_.kmalloc_by_size.end());
        line("  most frequent of {} sizes:", sizes.size());
        for (const std::size_t i : top_indices(sizes.size(), [&](std::size_t k) { return sizes[k].second; }))
            line("  {:>8} bytes   {:>10}", sizes[i].first, sizes[i].second);
    }

    void write_pages() {
        if (!summary_.pages_by_order.empty()) {
            title("page allocations by order, by migrate type");
            for (const auto& [order, count] : summary_.pages_by_order)
                line("  order {:<3}{:>10}", order, count);
            for (const auto& [type, count] : summary_.pages_by_migrate_type)
                line("  type  {:<3}{:>10}", type, count);
        }
        if (summary_.areas_by_pages.empty()) return;
        title("vmap areas by pages");
        for (const auto& [pages, count] : summary_.areas_by_pages) line("  {:>6}{:>10}", pages, count);
    }

    void write_caches() {
        if (trace_.caches.empty()) return;
        title(fmt::format("caches (most used of {})      size  allocations      frees  peak live",
                          trace_.caches.size()));
        const auto uses = [&](std::size_t i) { return summary_.caches[i].allocations; };
        for (const std::size_t i : top_indices(trace_.caches.size(), uses)) {
            const CacheSummary& cache = summary_.caches[i];
            line("  {:<26}{:>7}{:>13}{:>11}{:>11}", trace_.caches[i].name, trace_.caches[i].object_size,
                 cache.allocations, cache.frees, cache.peak_live);
        }
    }

    void write_lifetimes() {
        for (unsigned i = 0; i < layer_count; ++i) {
            const LayerSummary& layer = summary_.layers[i];
            if (layer.frees == 0) continue;
            title(
                fmt::format("lifetimes of {}: in operations, and in time", to_string(static_cast<Layer>(i))));
            write_two_histograms(layer.lifetime_operations, layer.lifetime_us, layer.frees);
        }
    }

    void write_two_histograms(const Log2Histogram& left, const Log2Histogram& right, std::uint64_t whole) {
        for (unsigned i = 0; i < Log2Histogram::bucket_count; ++i) {
            if (left.count(i) == 0 && right.count(i) == 0) continue;
            const std::uint64_t lower = Log2Histogram::lower(i);
            line("  from {:>12}{:>10} {:>5.1f} %    from {:>8}{:>10} {:>5.1f} %", lower, left.count(i),
                 percent(left.count(i), whole), i == 0 ? "0 us" : format_ns(lower * 1000), right.count(i),
                 percent(right.count(i), whole));
        }
    }

    void write_call_sites() {
        title(fmt::format(
            "call sites (busiest of {})                        allocations      frees   bytes requested",
            trace_.call_sites.size() - 1));
        const auto uses = [&](std::size_t i) {
            return i == 0 ? 0 : summary_.call_sites[i].allocations + summary_.call_sites[i].frees;
        };
        for (const std::size_t i : top_indices(trace_.call_sites.size(), uses)) {
            const CallSiteSummary& site = summary_.call_sites[i];
            line("  {:<48}{:>11}{:>11}{:>18}", trace_.call_sites[i], site.allocations, site.frees,
                 site.bytes);
        }
    }

    void write_cpus() {
        title("CPU   allocations      frees  of what another CPU allocated");
        for (std::size_t i = 0; i < summary_.cpus.size(); ++i) {
            const CpuSummary& cpu = summary_.cpus[i];
            if (cpu.allocations + cpu.frees == 0) continue;
            line("  {:<4}{:>11}{:>11}{:>11}", i, cpu.allocations, cpu.frees, cpu.remote_frees);
        }
    }

    void write_unmatched() {
        title("could not be matched           objects      pages      areas");
        const TraceCounts& counts = trace_.counts;
        const auto row = [this](std::string_view what, const TraceCounts::PerLayer& of) {
            line("  {:<25}{:>11}{:>11}{:>11}", what, of[0], of[1], of[2]);
        };
        row("freed, not allocated here", counts.frees_without_allocation);
        row("allocated again unfreed", counts.addresses_reused_without_free);
        row("never freed", counts.never_freed);
        for (const auto& [what, count] : oddities(counts))
            if (count != 0) line("  {:<25}{:>11}", what, count);
    }

    const Trace& trace_;
    const Summary& summary_;
    std::string text_;
};

}  // namespace

json describe_json(const Trace& trace) {
    const Summary summary = summarize(trace);
    json events;
    for (unsigned i = 0; i < event_count; ++i)
        events[std::string{to_string(static_cast<Event>(i))}] = trace.counts.events[i];
    json unmatched;
    for (const auto& [what, count] : oddities(trace.counts)) unmatched[std::string{what}] = count;
    return {{"name", trace.name},
            {"kernel_events", trace.counts.kernel_events()},
            {"lines", trace.counts.lines},
            {"operations", trace.operations.size()},
            {"duration_ns", trace.times.empty() ? 0 : trace.times.back()},
            {"events", events},
            {"other_events", trace.counts.other_events},
            {"lost_events", trace.counts.lost_events},
            {"lost_reports", trace.counts.lost_reports},
            {"requested_bytes", trace.counts.requested_bytes},
            {"handed_out_bytes", trace.counts.handed_out_bytes},
            {"layers", layers_json(trace, summary)},
            {"kmalloc_sizes", to_json(summary.kmalloc_sizes)},
            {"kmalloc_exact_sizes", to_json(summary.kmalloc_by_size)},
            {"page_orders", to_json(summary.pages_by_order)},
            {"page_migrate_types", to_json(summary.pages_by_migrate_type)},
            {"area_pages", to_json(summary.areas_by_pages)},
            {"purges", summary.purges},
            {"caches", caches_json(trace, summary)},
            {"call_sites", call_sites_json(trace, summary)},
            {"cpus", cpus_json(summary)},
            {"unmatched", unmatched}};
}

std::string describe(const Trace& trace) {
    const Summary summary = summarize(trace);
    return TextWriter{trace, summary}.write();
}

}  // namespace kmemlab::trace

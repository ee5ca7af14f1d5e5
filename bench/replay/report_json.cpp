#include <fmt/format.h>

#include <array>
#include <numeric>

#include "allocators/buddy/fragmentation.hpp"
#include "bench/replay/report.hpp"

namespace kmemlab::replay {
namespace {

std::uint64_t total(const trace::TraceCounts::PerLayer& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

template <class T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json trace_facts(const Result& result, const trace::Trace& trace, const std::string& file) {
    return {{"name", trace.name},
            {"file", file},
            {"kernel_events", trace.counts.kernel_events()},
            {"operations", trace.operations.size()},
            {"not_replayed", result.not_replayed},
            {"cpus", trace.cpus},
            {"frees_without_allocation", total(trace.counts.frees_without_allocation)},
            {"addresses_reused_without_free", total(trace.counts.addresses_reused_without_free)},
            {"never_freed", total(trace.counts.never_freed)}};
}

Json percentiles(const Histogram& histogram, const TimerCost& timer) {
    const auto at = [&](double percent) { return timer.nanoseconds(histogram.percentile(percent)); };
    return {{"count", histogram.count()},
            {"mean", histogram.mean() * timer.ns_per_tick},
            {"p50", at(50)},
            {"p90", at(90)},
            {"p99", at(99)},
            {"p99_9", at(99.9)},
            {"p99_99", at(99.99)},
            {"max", timer.nanoseconds(histogram.max())}};
}

Json buckets(const Histogram& histogram, const TimerCost& timer) {
    Json list = Json::array();
    for (const auto& [bound, count] : histogram.filled()) list.push_back({timer.nanoseconds(bound), count});
    return list;
}

Json latency(const LatencyBook& book, const TimerCost& timer) {
    Json list = Json::array();
    for (const auto& [kind, histogram] : book.by_kind()) {
        Json entry{{"operation", to_string(kind)}};
        entry.update(percentiles(histogram, timer));
        entry["histogram"] = buckets(histogram, timer);
        list.push_back(std::move(entry));
    }
    return list;
}

Json latency_by_path(const LatencyBook& book, const TimerCost& timer) {
    Json list = Json::array();
    for (const auto& [key, histogram] : book.by_path()) {
        Json entry{{"operation", to_string(key.first)}, {"path", to_string(key.second)}};
        entry.update(percentiles(histogram, timer));
        list.push_back(std::move(entry));
    }
    return list;
}

Json path_counts(const PathCounts& counts) {
    Json object = Json::object();
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] != 0) object[std::string{to_string(static_cast<Path>(i))}] = counts[i];
    }
    return object;
}

/// values[order][moment] of a figure that free blocks give; null where no page allocator lies below.
template <class Figure>
Json per_order(const std::vector<Moment>& moments, Figure figure) {
    if (moments.empty() || !moments.front().free_blocks) return nullptr;
    Json orders = Json::array();
    for (unsigned order = 0; order < order_count; ++order) {
        Json values = Json::array();
        for (const Moment& moment : moments) values.push_back(figure(*moment.free_blocks, Order{order}));
        orders.push_back(std::move(values));
    }
    return orders;
}

Json timeline(const std::vector<Moment>& moments) {
    Json lists{{"operation", Json::array()},       {"time_s", Json::array()},
               {"requested_bytes", Json::array()}, {"handed_out_bytes", Json::array()},
               {"held_bytes", Json::array()},      {"metadata_bytes", Json::array()}};
    for (const Moment& m : moments) {
        lists["operation"].push_back(m.operation);
        lists["time_s"].push_back(m.time_s);
        lists["requested_bytes"].push_back(m.requested_bytes);
        lists["handed_out_bytes"].push_back(m.handed_out_bytes);
        lists["held_bytes"].push_back(m.held_bytes);
        lists["metadata_bytes"].push_back(m.metadata_bytes);
    }
    lists["free_blocks"] =
        per_order(moments, [](const BlockCounts& blocks, Order o) { return blocks[o.value()]; });
    lists["extfrag_index"] = per_order(moments, extfrag_index);
    lists["unusable_index"] = per_order(moments, unusable_index);
    return lists;
}

Json huge_pages(const std::vector<HugePageMap>& maps) {
    if (maps.empty()) return nullptr;
    Json lists{{"operation", Json::array()}, {"time_s", Json::array()}, {"free_pages", Json::array()}};
    for (const HugePageMap& map : maps) {
        lists["operation"].push_back(map.operation);
        lists["time_s"].push_back(map.time_s);
        lists["free_pages"].push_back(map.free_pages);
    }
    return lists;
}

Json snapshots(const std::vector<Snapshot>& taken) {
    Json list = Json::array();
    for (const Snapshot& snapshot : taken) {
        Json texts = Json::object();
        for (const Text& text : snapshot.texts) texts[text.name] = text.content;
        list.push_back({{"operation", snapshot.operation}, {"texts", std::move(texts)}});
    }
    return list;
}

double operations_per_second(const AllocatorResult& allocator, const PassTime& time) {
    return static_cast<double>(allocator.observed.operations) / time.cpu_ns * 1e9;
}

Json allocator_facts(const AllocatorResult& allocator, const Result& result) {
    const Observation& seen = allocator.observed;
    const Measured& measured = result.measured_of(allocator.name);
    const TimerCost& timer = result.measured.timer;
    Json throughput = Json::array();
    for (const PassTime& time : measured.throughput) {
        throughput.push_back(operations_per_second(allocator, time));
    }
    Json hash = nullptr;
    if (seen.address_hash) hash = fmt::format("{:016x}", *seen.address_hash);
    return {{"name", allocator.name},
            {"layer", to_string(allocator.part)},
            {"follows", allocator.follows},
            {"operations", seen.operations},
            {"failures", seen.failures},
            {"failure_reason", seen.failure_reason},
            {"frees_skipped", seen.frees_skipped},
            {"ops_per_second", throughput},
            {"harness_ns_per_op", result.harness_ns_per_op(allocator.part)},
            {"latency", latency(measured.latency, timer)},
            {"latency_by_path", latency_by_path(measured.latency, timer)},
            {"paths",
             {{"allocations", path_counts(seen.allocations)},
              {"frees", path_counts(seen.frees)},
              {"frees_on_other_cpu", path_counts(seen.frees_on_other_cpu)}}},
            {"bytes_per_frame", or_null(seen.bytes_per_frame)},
            {"timeline", timeline(seen.timeline)},
            {"huge_pages", huge_pages(seen.huge_pages)},
            {"snapshots", snapshots(seen.snapshots)},
            {"checks", seen.checks},
            {"violation", or_null(seen.violation)},
            {"address_hash", hash}};
}

struct RowTime {
    double real_ns = 0;
    double cpu_ns = 0;
    std::uint64_t iterations = 0;
};

Json row(const std::string& name, std::size_t repetition, std::size_t repetitions, const RowTime& time) {
    return {{"name", name},
            {"run_name", name},
            {"run_type", "iteration"},
            {"repetitions", repetitions},
            {"repetition_index", repetition},
            {"threads", 1},
            {"iterations", time.iterations},
            {"real_time", time.real_ns},
            {"cpu_time", time.cpu_ns},
            {"time_unit", "ns"},
            {"items_per_second", time.cpu_ns > 0 ? 1e9 / time.cpu_ns : 0.0}};
}

/// One row for all operations of a throughput pass, and one for each kind of a latency pass.
void add_rows(Json& rows, const AllocatorResult& allocator, const trace::Trace& trace, const Result& result) {
    const Measured& measured = result.measured_of(allocator.name);
    const std::string prefix = fmt::format("replay/{}/{}/", trace.name, allocator.name);
    const std::size_t repetitions = measured.throughput.size();
    const auto count = static_cast<double>(allocator.observed.operations);
    const auto kinds = measured.latency.by_kind();
    for (std::size_t i = 0; i < repetitions; ++i) {
        const PassTime& time = measured.throughput[i];
        rows.push_back(row(prefix + "all", i, repetitions,
                           {time.wall_ns / count, time.cpu_ns / count, allocator.observed.operations}));
    }
    for (const auto& [kind, histogram] : kinds) {
        for (std::size_t i = 0; i < measured.means.size(); ++i) {
            const double ns = measured.means[i].at(kind) * result.measured.timer.ns_per_tick;
            rows.push_back(row(prefix + to_string(kind), i, repetitions,
                               {ns, ns, histogram.count() / measured.means.size()}));
        }
    }
}

}  // namespace

Json to_json(const Result& result, const trace::Trace& trace, const std::string& file,
             const std::string& command) {
    Json rows = Json::array();
    Json allocators = Json::array();
    for (const AllocatorResult& allocator : result.allocators) {
        add_rows(rows, allocator, trace, result);
        allocators.push_back(allocator_facts(allocator, result));
    }
    Json skipped = Json::array();
    for (const Skipped& peer : result.skipped) skipped.push_back({{"name", peer.name}, {"absent", peer.why}});
    const TimerCost& timer = result.measured.timer;
    return {{"context", context(command, result.tunables)},
            {"benchmarks", rows},
            {"replay",
             {{"trace", trace_facts(result, trace, file)},
              {"timer",
               {{"name", timer.name},
                {"ns_per_tick", timer.ns_per_tick},
                {"overhead_ticks", timer.overhead_ticks}}},
              {"skipped", skipped},
              {"allocators", allocators}}}};
}

}  // namespace kmemlab::replay

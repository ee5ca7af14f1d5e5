#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "bench/measure/summary.hpp"
#include "bench/replay/huge_pages.hpp"
#include "bench/replay/report.hpp"

namespace kmemlab::replay {
namespace {

std::string mebibytes(std::uint64_t bytes) {
    return fmt::format("{:.2f}", static_cast<double>(bytes) / (1 << 20));
}

std::string heading(const Result& result, const trace::Trace& trace) {
    std::string text =
        fmt::format("trace {}: {} operations on {} CPUs", trace.name, trace.operations.size(), trace.cpus);
    if (result.not_replayed != 0) text += fmt::format(", {} of them not replayed here", result.not_replayed);
    const TimerCost& timer = result.measured.timer;
    return text + fmt::format("\ntimer {}: {:.3f} ns a tick, {} ticks of its own cost subtracted\n",
                              timer.name, timer.ns_per_tick, timer.overhead_ticks);
}

std::string throughput_text(const AllocatorResult& allocator, const Result& result) {
    std::vector<double> ns;
    for (const PassTime& time : result.measured_of(allocator.name).throughput) {
        ns.push_back(time.cpu_ns / static_cast<double>(allocator.observed.operations));
    }
    if (ns.empty()) return {};
    const double middle = median(ns);
    return fmt::format(
        "  throughput   {:.2f} million operations a second ({:.1f} ns each, spread {:.1f} %; the "
        "harness alone {:.1f} ns)\n",
        1e3 / middle, middle, spread_percent(ns), result.harness_ns_per_op(allocator.part));
}

std::string latency_text(const Measured& measured, const TimerCost& timer) {
    const auto kinds = measured.latency.by_kind();
    if (kinds.empty()) return {};
    std::string text = fmt::format("  {:<25}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>11}\n", "latency (ns)", "mean",
                                   "p50", "p90", "p99", "p99.9", "p99.99", "max");
    for (const auto& [kind, histogram] : kinds) {
        text += fmt::format("  {:<25}{:>9.1f}", to_string(kind), histogram.mean() * timer.ns_per_tick);
        for (const double percent : {50.0, 90.0, 99.0, 99.9, 99.99}) {
            text += fmt::format("{:>9.0f}", timer.nanoseconds(histogram.percentile(percent)));
        }
        text += fmt::format("{:>11.0f}\n", timer.nanoseconds(histogram.max()));
    }
    return text;
}

std::string paths_line(std::string_view title, const PathCounts& counts) {
    std::string text = fmt::format("  {:<13}", title);
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] != 0) text += fmt::format("{} {}  ", to_string(static_cast<Path>(i)), counts[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

/// Memory at the moment when most was held.
std::string memory_text(const std::vector<Moment>& moments) {
    if (moments.empty()) return {};
    const Moment* most = &moments.front();
    for (const Moment& moment : moments) {
        if (moment.held_bytes > most->held_bytes) most = &moment;
    }
    return fmt::format("  memory (MiB)  at operation {}: requested {}, handed out {}, held {}; metadata {}\n",
                       most->operation, mebibytes(most->requested_bytes), mebibytes(most->handed_out_bytes),
                       mebibytes(most->held_bytes), mebibytes(most->metadata_bytes));
}

/// The moment when free memory could have been most huge pages more than it is.
std::string huge_pages_text(const std::vector<HugePageMap>& maps) {
    if (maps.empty()) return {};
    const auto whole = [](const HugePageMap& map) {
        return std::count(map.free_pages.begin(), map.free_pages.end(), huge_page_frames);
    };
    const auto possible = [](const HugePageMap& map) {
        const auto free = std::accumulate(map.free_pages.begin(), map.free_pages.end(), std::int64_t{0});
        return free / static_cast<std::int64_t>(huge_page_frames);
    };
    const auto worst =
        std::max_element(maps.begin(), maps.end(), [&](const HugePageMap& a, const HugePageMap& b) {
            return possible(a) - whole(a) < possible(b) - whole(b);
        });
    return fmt::format(
        "  huge pages   at operation {}: {} free as a whole, where free memory would make {} of all {}\n",
        worst->operation, whole(*worst), possible(*worst), worst->free_pages.size());
}

std::string verdict_text(const Observation& seen) {
    std::string text;
    if (seen.failures != 0) {
        text += fmt::format("  failures     {} allocations got nothing, {} frees skipped for that\n",
                            seen.failures, seen.frees_skipped);
        if (!seen.failure_reason.empty()) text += fmt::format("               {}\n", seen.failure_reason);
    }
    if (seen.violation) return text + fmt::format("  VIOLATION    {}\n", *seen.violation);
    if (seen.checks == 0) {
        text +=
            "  content      of every object as it was written, at its free; laws cannot be walked there\n";
    } else {
        text += fmt::format("  laws         hold: checked {} times, every object's content at its free\n",
                            seen.checks);
    }
    if (seen.address_hash) text += fmt::format("  addresses    {:016x}\n", *seen.address_hash);
    return text;
}

}  // namespace

std::string to_text(const Result& result, const trace::Trace& trace) {
    std::string text = heading(result, trace);
    for (const Skipped& peer : result.skipped) text += fmt::format("skipped {}: {}\n", peer.name, peer.why);
    for (const AllocatorResult& allocator : result.allocators) {
        text += fmt::format("\n{} ({}, follows {}), {} operations\n", allocator.name,
                            to_string(allocator.part), allocator.follows, allocator.observed.operations);
        text += throughput_text(allocator, result);
        text += latency_text(result.measured_of(allocator.name), result.measured.timer);
        text += paths_line("allocations", allocator.observed.allocations);
        text += paths_line("frees", allocator.observed.frees);
        text += paths_line("other CPU's", allocator.observed.frees_on_other_cpu);
        text += memory_text(allocator.observed.timeline);
        text += huge_pages_text(allocator.observed.huge_pages);
        text += verdict_text(allocator.observed);
    }
    return text;
}

}  // namespace kmemlab::replay

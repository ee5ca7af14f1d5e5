#include "bench/versus/speed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "allocators/buddy/fragmentation.hpp"
#include "bench/measure/summary.hpp"
#include "bench/peers/guest_contests.hpp"
#include "bench/replay/workload.hpp"

namespace kmemlab::versus {
namespace {

/// Rows of both kernels, by their common name, in order of appearance.
class Rows {
  public:
    explicit Rows(std::array<std::vector<ContestRow>, 2>& rows) : rows_{rows} {}

    void add(std::size_t kernel, const std::string& name, double ns) {
        auto& list = rows_[kernel];
        const auto [place, is_new] = places_[kernel].try_emplace(name, list.size());
        if (is_new) list.push_back({name, 1, {}, {}, {}});
        list[place->second].nanoseconds.push_back(ns);
        list[place->second].cpu_nanoseconds.push_back(ns);
    }

  private:
    std::array<std::vector<ContestRow>, 2>& rows_;
    std::array<std::map<std::string, std::size_t>, 2> places_;
};

std::vector<double> ns_per_operation(const replay::Measured& measured, std::uint64_t operations) {
    std::vector<double> ns;
    for (const replay::PassTime& time : measured.throughput) {
        ns.push_back(time.cpu_ns / static_cast<double>(operations));
    }
    return ns;
}

/// The part of a trace that there are operations of, objects before pages.
std::string part_of(const trace::Trace& trace) {
    if (trace.slots(trace::Layer::objects) != 0) return "";
    return trace.slots(trace::Layer::pages) != 0 ? ":pages" : ":areas";
}

class Measurement {
  public:
    Measurement(const std::vector<trace::Trace>& traces, const SpeedOptions& options)
        : traces_{traces}, options_{options}, rows_{result_.rows} {}

    Speed run() && {
        for (unsigned turn = 0; turn < options_.turns; ++turn) {
            for (const trace::Trace& trace : traces_) {
                if (stop()) return std::move(result_);
                replay_one(trace, turn);
            }
            if (stop()) return std::move(result_);
            contests(turn);
            if (options_.progress) options_.progress(turn + 1, options_.turns);
        }
        return std::move(result_);
    }

  private:
    [[nodiscard]] bool stop() {
        if (options_.interrupted && options_.interrupted()) result_.interrupted = true;
        return result_.interrupted;
    }

    /// Which kernel begins changes from turn to turn.
    [[nodiscard]] std::size_t kernel(unsigned turn, std::size_t place) const { return (turn + place) % 2; }

    void replay_one(const trace::Trace& trace, unsigned turn) {
        replay::Options how;
        const std::string part = part_of(trace);
        for (std::size_t place = 0; place < 2; ++place) {
            how.allocators.push_back(guests::as_allocator(options_.kernels[kernel(turn, place)]) + part);
        }
        how.repetitions = options_.passes;
        how.interrupted = options_.interrupted;
        replay::Result found = replay::replay(trace, how);
        if (found.interrupted) return;
        for (std::size_t place = 0; place < 2; ++place) {
            enter(kernel(turn, place), trace, found.allocators[place], found);
        }
        if (turn == 0) result_.observed.push_back({found.allocators[0], found.allocators[1]});
    }

    void enter(std::size_t kernel, const trace::Trace& trace, const replay::AllocatorResult& allocator,
               const replay::Result& result) {
        const replay::Measured& found = result.measured_of(allocator.name);
        const std::string prefix = fmt::format("replay/{}/kernel/", trace.name);
        rows_.add(kernel, prefix + "all", median(ns_per_operation(found, allocator.observed.operations)));
        for (const auto& [kind, first] : found.means.front()) {
            std::vector<double> ns;
            for (const auto& means : found.means)
                ns.push_back(means.at(kind) * result.measured.timer.ns_per_tick);
            rows_.add(kernel, prefix + to_string(kind), median(ns));
        }
    }

    void contests(unsigned turn) {
        Contests contests;
        std::vector<guests::Kernel> kernels;
        for (std::size_t place = 0; place < 2; ++place)
            kernels.push_back(guests::find_kernel(options_.kernels[kernel(turn, place)]));
        peers::add_guest_contests(contests, kernels);
        ContestOptions how;
        how.repetitions = options_.passes;
        how.filter = options_.filter;
        how.milliseconds = 4;
        how.interrupted = options_.interrupted;
        const std::vector<ContestRow> found = measure(contests, how, "compare");
        // All rows of the first kernel come before those of the second.
        const std::size_t half = found.size() / 2;
        for (std::size_t i = 0; i < found.size(); ++i) {
            if (found[i].cpu_nanoseconds.empty()) return;
            const std::size_t place = i < half ? 0 : 1;
            rows_.add(kernel(turn, place), common_name(found[i].name, kernels[place].name),
                      median(found[i].cpu_nanoseconds));
        }
    }

    [[nodiscard]] static std::string common_name(std::string name, const std::string& kernel) {
        const std::string own = guests::as_allocator(kernel);
        return name.replace(name.rfind(own), own.size(), "kernel");
    }

    const std::vector<trace::Trace>& traces_;
    const SpeedOptions& options_;
    Speed result_;
    Rows rows_;
};

struct Held {
    double most = 0;
    double mean = 0;
    double at_end = 0;
    double unusable = 0;  ///< mean of the unusable index of order 9, in percent
};

Held held_of(const std::vector<replay::Moment>& moments) {
    Held held;
    for (const replay::Moment& moment : moments) {
        const double kib = static_cast<double>(moment.held_bytes) / 1024;
        held.most = std::max(held.most, kib);
        held.mean += kib / static_cast<double>(moments.size());
        held.at_end = kib;
        held.unusable += static_cast<double>(unusable_index(*moment.free_blocks, Order{9})) / 10 /
                         static_cast<double>(moments.size());
    }
    return held;
}

std::string row(const char* what, double before, double after, const char* unit) {
    return fmt::format("  {:<44}{:>12.1f}{:>12.1f} {}{}\n", what, before, after, unit,
                       before > 0 ? fmt::format("{:>9.3f}", after / before) : "");
}

}  // namespace

Speed speed(const std::vector<trace::Trace>& traces, const SpeedOptions& options) {
    return Measurement{traces, options}.run();
}

std::string memory_text(const std::vector<trace::Trace>& traces, const Speed& speed) {
    std::string text;
    for (std::size_t i = 0; i < speed.observed.size(); ++i) {
        const auto& [before, after] = speed.observed[i];
        const Held a = held_of(before.observed.timeline);
        const Held b = held_of(after.observed.timeline);
        text += fmt::format("memory, {}{:>{}}{:>12}     after / before\n", traces[i].name, "before",
                            50 - traces[i].name.size(), "after");
        text += row("held, at most", a.most, b.most, "KiB");
        text += row("held, mean over the operations", a.mean, b.mean, "KiB");
        text += row("held, at the end", a.at_end, b.at_end, "KiB");
        text += row("free memory of no use to order 9, mean", a.unusable, b.unusable, "%  ");
    }
    return text;
}

}  // namespace kmemlab::versus

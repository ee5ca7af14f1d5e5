#include "bench/replay/replay.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>

#include "bench/measure/cycle_counter.hpp"
#include "bench/measure/summary.hpp"
#include "bench/replay/models.hpp"

namespace kmemlab::replay {
namespace {

constexpr std::string_view cpus_key = "machine.cpus";
constexpr unsigned least_cpus = 2;

using Workloads = std::map<Part, Workload>;

Workloads workloads_for(const trace::Trace& trace, const std::vector<std::string>& allocators) {
    Workloads works;
    for (const std::string& name : allocators) {
        const Part part = part_of(name);
        if (works.count(part) != 0) continue;
        Workload work = workload_of(trace, part);
        if (work.operations.empty()) {
            throw UsageError::of("{}: allocator {} replays {}, and the trace has none", trace.name, name,
                                 to_string(part));
        }
        works.emplace(part, std::move(work));
    }
    return works;
}

std::uint64_t not_replayed(const trace::Trace& trace, const Workloads& works) {
    std::uint64_t replayed = 0;
    for (const auto& [part, work] : works) {
        // What stacks are told from may be replayed for itself as well.
        const bool twice = part == Part::stacks && works.count(static_cast<Part>(work.layer)) != 0;
        if (!twice) replayed += work.operations.size();
    }
    return trace.operations.size() - replayed;
}

std::vector<Setting> tunables_in_use(const std::vector<std::string>& names,
                                     const std::vector<Setting>& settings) {
    std::vector<Setting> values;
    for (const std::string& name : names) {
        for (const TunableValue& tunable : replay_tunables_of(name, settings)) {
            values.push_back({tunable.key, tunable.value});
        }
    }
    return values;
}

/// Takes out who cannot be run here. Throws UsageError if nobody is left.
std::vector<Skipped> take_absent(std::vector<std::string>& names) {
    std::vector<Skipped> skipped;
    for (const std::string& name : names) {
        if (std::string why = why_absent(name); !why.empty()) skipped.push_back({name, std::move(why)});
    }
    std::erase_if(names, [&](const std::string& name) {
        return std::any_of(skipped.begin(), skipped.end(), [&](const Skipped& s) { return s.name == name; });
    });
    if (names.empty()) throw UsageError::of("{}: {}", skipped.front().name, skipped.front().why);
    return skipped;
}

/// All that an allocator decided, as far as it is the same in every run, and what it was built with.
std::string behaviour(const AllocatorResult& allocator, const std::vector<Setting>& tunables) {
    const Observation& seen = allocator.observed;
    std::string text =
        fmt::format("{} operations, {} failures, {} frees skipped, addresses {:016x}, paths", seen.operations,
                    seen.failures, seen.frees_skipped, seen.address_hash.value_or(0));
    for (const PathCounts* counts : {&seen.allocations, &seen.frees, &seen.frees_on_other_cpu})
        text += fmt::format(" {}", fmt::join(*counts, ","));
    for (const Setting& tunable : tunables) text += fmt::format(", {}={}", tunable.key, tunable.value);
    return text;
}

/// Throws UsageError unless what was measured before is of the same allocators, which did the same.
void refuse_others(const Repetitions& before, const Repetitions& now) {
    const auto names = [](const Repetitions& repetitions) {
        std::vector<std::string> list;
        for (const auto& [name, measured] : repetitions.allocators) list.push_back(name);
        return fmt::format("{}", fmt::join(list, ","));
    };
    if (names(before) != names(now)) {
        throw UsageError::of("expected the allocators of the interrupted run, {}; found {}", names(before),
                             names(now));
    }
    for (const auto& [name, measured] : now.allocators) {
        if (measured.behaviour == before.allocators.at(name).behaviour) continue;
        throw UsageError::of(
            "{}: expected what it did in the interrupted run, found other settings or another trace; "
            "without --resume the run begins anew",
            name);
    }
}

/// One run of replay(): sessions and what they have found so far.
class Run {
  public:
    Run(const trace::Trace& trace, const Options& options)
        : options_{options},
          settings_{with_cpus(options.settings, trace.cpus)},
          works_{workloads_for(trace, options.allocators)} {
        result_.not_replayed = not_replayed(trace, works_);
        result_.tunables = tunables_in_use(options.allocators, settings_);
    }

    Result result() && {
        observe_all();
        if (!result_.interrupted && options_.repetitions > 0) measure_all();
        return std::move(result_);
    }

  private:
    struct Entrant {
        std::unique_ptr<Session> session;
        std::string name;  ///< empty for the harness alone
    };

    void observe_all() {
        result_.allocators.reserve(options_.allocators.size());
        // The C library's heap begins without what reading the trace has left in it.
        malloc_trim(0);
        for (const std::string& name : options_.allocators) {
            if (stop()) return;
            observe(name);
        }
    }

    void observe(const std::string& name) {
        Entrant entrant{open_session(name, settings_, works_.at(part_of(name))), name};
        ObserveOptions how = options_.observe;
        how.interrupted = options_.interrupted;
        how.progress = [&](std::uint64_t done, std::uint64_t total) { tell("observe " + name, done, total); };
        AllocatorResult found;
        found.name = name;
        found.follows = entrant.session->info().follows;
        found.part = entrant.session->work().part;
        found.observed = entrant.session->observe(how);
        const bool broken = found.observed.violation.has_value();
        result_.allocators.push_back(std::move(found));
        // What broke a law may do anything when it is driven on.
        if (!broken) entrants_.push_back(std::move(entrant));
    }

    /// Begins with what an interrupted run measured, or with nothing.
    void prepare_measuring() {
        Repetitions& measured = result_.measured;
        const TimerCost timer = calibrate_timer();
        const Repetitions& before = options_.before;
        for (const AllocatorResult& allocator : result_.allocators) {
            if (!allocator.observed.violation) {
                measured.allocators[allocator.name].behaviour =
                    behaviour(allocator, tunables_in_use({allocator.name}, settings_));
            }
        }
        if (before.count == 0) {
            measured.timer = timer;
            return;
        }
        refuse_others(before, measured);
        constexpr double tolerance = 0.01;
        if (std::abs(timer.ns_per_tick / before.timer.ns_per_tick - 1) > tolerance) {
            throw UsageError::of("the timer has {:.3f} ns a tick, and {:.3f} when the run was interrupted",
                                 timer.ns_per_tick, before.timer.ns_per_tick);
        }
        measured = before;
    }

    void measure_all() {
        pin_thread();
        prepare_measuring();
        for (const auto& [part, work] : works_) {
            entrants_.push_back({open_null_session(work), {}});
            samples_.emplace(part, LatencySamples{work.operations.size()});
        }
        for (Entrant& entrant : entrants_) entrant.session->warm_up();
        while (result_.measured.count < options_.repetitions) {
            Repetitions whole = result_.measured;
            for (std::size_t i = 0; i < entrants_.size(); ++i) {
                if (stop()) {
                    // All have as many repetitions.
                    result_.measured = std::move(whole);
                    return;
                }
                measure(entrants_[(whole.count + i) % entrants_.size()]);
            }
            tell("measure", ++result_.measured.count, options_.repetitions);
        }
    }

    void measure(Entrant& entrant) {
        Session& session = *entrant.session;
        const Workload& work = session.work();
        const PassTime time = session.throughput_pass();
        if (entrant.name.empty()) {
            result_.measured.harness[work.part].push_back(time.cpu_ns /
                                                          static_cast<double>(work.operations.size()));
            return;
        }
        Measured& measured = result_.measured.allocators.at(entrant.name);
        measured.throughput.push_back(time);
        LatencySamples& samples = samples_.at(work.part);
        session.latency_pass(samples);
        measured.means.push_back(measured.latency.enter(work, samples, result_.measured.timer));
    }

    void tell(const std::string& what, std::uint64_t done, std::uint64_t total) const {
        if (options_.progress) options_.progress({what, done, total});
    }

    bool stop() {
        if (options_.interrupted && options_.interrupted()) result_.interrupted = true;
        return result_.interrupted;
    }

    const Options& options_;
    std::vector<Setting> settings_;
    Workloads works_;
    std::vector<Entrant> entrants_;
    std::map<Part, LatencySamples> samples_;
    Result result_;
};

}  // namespace

bool Result::found_violation() const {
    return std::any_of(allocators.begin(), allocators.end(),
                       [](const AllocatorResult& a) { return a.observed.violation.has_value(); });
}

const Measured& Result::measured_of(const std::string& name) const {
    static const Measured nothing;
    const auto found = measured.allocators.find(name);
    return found == measured.allocators.end() ? nothing : found->second;
}

double Result::harness_ns_per_op(Part part) const {
    const auto found = measured.harness.find(part);
    return found == measured.harness.end() ? 0 : median(found->second);
}

std::vector<Setting> with_cpus(std::vector<Setting> settings, unsigned trace_cpus) {
    const auto chosen =
        std::find_if(settings.rbegin(), settings.rend(), [](const Setting& s) { return s.key == cpus_key; });
    if (chosen == settings.rend()) {
        settings.push_back({std::string{cpus_key}, fmt::format("{}", std::max(least_cpus, trace_cpus))});
        return settings;
    }
    unsigned cpus = 0;
    const std::string& text = chosen->value;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cpus);
    // What is no number, or 0, is for the tunable itself to refuse, with the values it accepts.
    if (error == std::errc{} && end == text.data() + text.size() && cpus > 0 && cpus < trace_cpus) {
        throw UsageError::of("{}={}: the trace runs on CPUs 0 to {}, so at least {} are needed", cpus_key,
                             cpus, trace_cpus - 1, trace_cpus);
    }
    return settings;
}

Result replay(const trace::Trace& trace, const Options& options) {
    if (options.allocators.empty()) throw UsageError("no allocator given");
    check_replay_settings(options.settings, options.allocators);
    Options present = options;
    std::vector<Skipped> skipped = take_absent(present.allocators);
    Result result = Run{trace, present}.result();
    result.skipped = std::move(skipped);
    return result;
}

}  // namespace kmemlab::replay

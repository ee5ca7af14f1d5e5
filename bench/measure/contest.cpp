#include "bench/measure/contest.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <regex>

#include "allocators/base/check.hpp"
#include "bench/measure/cycle_counter.hpp"
#include "bench/measure/summary.hpp"

namespace kmemlab {
namespace {

std::vector<Contest*> chosen(const Contests& contests, const std::string& filter,
                             const std::string& command) {
    std::vector<Contest*> result;
    try {
        const std::regex wanted{filter};
        for (const auto& contest : contests) {
            if (std::regex_search(contest->name(), wanted)) result.push_back(contest.get());
        }
    } catch (const std::regex_error&) {
        throw UsageError::of("--filter: '{}' is no regular expression", filter);
    }
    if (result.empty()) throw UsageError::of("--filter: no row matches '{}'; see {} --list", filter, command);
    return result;
}

double cpu_nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

void verify(Contest& contest) {
    const std::string found = contest.verify();
    if (!found.empty()) throw UsageError::of("{}: {}", contest.name(), found);
}

double timed_ns(Contest& contest, std::size_t count) {
    contest.prepare(count);
    const std::uint64_t begin = monotonic_ns();
    contest.run(count);
    const std::uint64_t end = monotonic_ns();
    contest.finish();
    return static_cast<double>(end - begin);
}

/// Units of work that last `milliseconds` or a little more; the memory is warm afterwards.
std::size_t calibrated(Contest& contest, double milliseconds) {
    const Contest::Units units = contest.units();
    const double wanted_ns = milliseconds * 1e6;
    for (std::size_t count = units.least; count < units.most; count = std::min(count * 2, units.most)) {
        double took_ns = timed_ns(contest, count);
        // Who is interrupted once seems slow, and would get too few units for good.
        for (int again = 0; again < 2 && took_ns > wanted_ns / 8; ++again) {
            took_ns = std::min(took_ns, timed_ns(contest, count));
        }
        // An eighth of the time tells the speed well enough; a quarter more makes up for a faster moment.
        if (took_ns > wanted_ns / 8) {
            const double exact = static_cast<double>(count) * wanted_ns / took_ns * 1.25;
            return units.whole(
                std::clamp(static_cast<std::size_t>(std::ceil(exact)), units.least, units.most));
        }
    }
    return units.most;
}

void repeat_once(Contest& contest, ContestRow& row) {
    // What other contestants left in caches and branch predictors is washed out first.
    const std::size_t warm_up = contest.units().whole(row.iterations / 64 + 1);
    contest.prepare(row.iterations + warm_up);
    contest.run(warm_up);
    const double cpu_begin = cpu_nanoseconds();
    const std::uint64_t begin = monotonic_ns();
    contest.run(row.iterations);
    const auto units = static_cast<double>(row.iterations);
    row.nanoseconds.push_back(static_cast<double>(monotonic_ns() - begin) / units);
    row.cpu_nanoseconds.push_back(contest.cpu_ns().value_or(cpu_nanoseconds() - cpu_begin) / units);
    contest.finish();
}

Json iteration_row(const ContestRow& row, std::size_t repetition) {
    const double cpu = row.cpu_nanoseconds[repetition];
    return {{"name", row.name},
            {"run_name", row.name},
            {"run_type", "iteration"},
            {"repetitions", row.nanoseconds.size()},
            {"repetition_index", repetition},
            {"threads", 1},
            {"iterations", row.iterations},
            {"real_time", row.nanoseconds[repetition]},
            {"cpu_time", cpu},
            {"time_unit", "ns"},
            {"items_per_second", cpu > 0 ? 1e9 / cpu : 0.0}};
}

}  // namespace

std::vector<std::string> names(const Contests& contests, const std::string& filter,
                               const std::string& command) {
    std::vector<std::string> result;
    for (const Contest* contest : chosen(contests, filter, command)) result.push_back(contest->name());
    return result;
}

std::vector<ContestRow> measure(const Contests& contests, const ContestOptions& options,
                                const std::string& command) {
    const std::vector<Contest*> entrants = chosen(contests, options.filter, command);
    const std::size_t count = entrants.size();
    const bool goes_on = !options.before.empty();
    std::vector<ContestRow> rows = goes_on ? options.before : std::vector<ContestRow>(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (options.interrupted && options.interrupted()) return rows;
        rows[i].name = entrants[i]->name();
        rows[i].counts = entrants[i]->counts();  // first: nothing has changed the state yet
        verify(*entrants[i]);
        const std::size_t units = calibrated(*entrants[i], options.milliseconds);  // warms up too
        if (!goes_on) rows[i].iterations = units;
    }
    for (std::size_t repetition = rows[0].nanoseconds.size(); repetition < options.repetitions;
         ++repetition) {
        const std::size_t first = repetition * count / options.repetitions;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t place = repetition % 2 == 0 ? i : count - 1 - i;
            const std::size_t which = (first + place) % count;
            repeat_once(*entrants[which], rows[which]);
        }
        if (options.progress) options.progress(repetition + 1, options.repetitions);
        if (options.interrupted && options.interrupted()) break;
    }
    return rows;
}

const ContestRow* find_row(const std::vector<ContestRow>& rows, const std::string& name) {
    const auto found =
        std::find_if(rows.begin(), rows.end(), [&](const ContestRow& row) { return row.name == name; });
    return found == rows.end() || found->nanoseconds.empty() ? nullptr : &*found;
}

std::optional<double> ratio(const ContestRow& row, const ContestRow* other) {
    if (other == nullptr) return {};
    std::vector<double> ratios;
    for (std::size_t i = 0; i < std::min(row.cpu_nanoseconds.size(), other->cpu_nanoseconds.size()); ++i) {
        if (other->cpu_nanoseconds[i] > 0)
            ratios.push_back(row.cpu_nanoseconds[i] / other->cpu_nanoseconds[i]);
    }
    if (ratios.empty()) return {};
    return median(ratios);
}

std::optional<double> median_of(const std::vector<ContestRow>& rows, const std::string& name) {
    const ContestRow* const row = find_row(rows, name);
    if (row == nullptr) return {};
    return median(row->cpu_nanoseconds);
}

Json benchmark_rows(const std::vector<ContestRow>& rows) {
    Json benchmarks = Json::array();
    for (const ContestRow& row : rows) {
        for (std::size_t i = 0; i < row.nanoseconds.size(); ++i) benchmarks.push_back(iteration_row(row, i));
    }
    return benchmarks;
}

std::vector<ContestRow> rows_of(const Json& benchmarks) {
    std::vector<ContestRow> rows;
    for (const Json& repetition : benchmarks) {
        const auto name = repetition.at("name").get<std::string>();
        if (rows.empty() || rows.back().name != name)
            rows.push_back({name, repetition.at("iterations").get<std::size_t>(), {}, {}, {}});
        rows.back().nanoseconds.push_back(repetition.at("real_time").get<double>());
        rows.back().cpu_nanoseconds.push_back(repetition.at("cpu_time").get<double>());
    }
    return rows;
}

}  // namespace kmemlab

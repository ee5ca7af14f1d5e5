#include "bench/peers/peers.hpp"

#include <algorithm>
#include <ctime>
#include <numeric>
#include <regex>

#include "allocators/base/check.hpp"
#include "allocators/contract/registry.hpp"
#include "bench/measure/cycle_counter.hpp"

namespace kmemlab::peers {
namespace {

std::vector<Contest*> chosen(const Contests& contests, const std::string& filter) {
    std::vector<Contest*> result;
    try {
        const std::regex wanted{filter};
        for (const auto& contest : contests) {
            if (std::regex_search(contest->name(), wanted)) result.push_back(contest.get());
        }
    } catch (const std::regex_error&) {
        throw UsageError::of("--filter: '{}' is no regular expression", filter);
    }
    if (result.empty()) throw UsageError::of("--filter: no row matches '{}'; see peers --list", filter);
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

/// Units of work that last `milliseconds` or a little more; the memory is warm afterwards.
std::size_t calibrated(Contest& contest, double milliseconds) {
    const double wanted_ns = milliseconds * 1e6;
    for (std::size_t count = 1024;; count *= 2) {
        const std::uint64_t begin = monotonic_ns();
        contest.run(count);
        const auto took_ns = static_cast<double>(monotonic_ns() - begin);
        // An eighth of the time tells the speed well enough; a quarter more makes up for a faster moment.
        if (took_ns > wanted_ns / 8) {
            return static_cast<std::size_t>(static_cast<double>(count) * wanted_ns / took_ns * 1.25) + 1;
        }
    }
}

void repeat_once(Contest& contest, Row& row) {
    // What other contestants left in caches and branch predictors is washed out first.
    contest.run(row.iterations / 64 + 1);
    const double cpu_begin = cpu_nanoseconds();
    const std::uint64_t begin = monotonic_ns();
    contest.run(row.iterations);
    const auto units = static_cast<double>(row.iterations);
    row.nanoseconds.push_back(static_cast<double>(monotonic_ns() - begin) / units);
    row.cpu_nanoseconds.push_back((cpu_nanoseconds() - cpu_begin) / units);
}

}  // namespace

std::vector<std::string> names(const Contests& contests, const std::string& filter) {
    std::vector<std::string> result;
    for (const Contest* contest : chosen(contests, filter)) result.push_back(contest->name());
    return result;
}

std::vector<Row> measure(const Contests& contests, const Options& options) {
    const std::vector<Contest*> entrants = chosen(contests, options.filter);
    const std::size_t count = entrants.size();
    std::vector<Row> rows(count);
    for (std::size_t i = 0; i < count; ++i) {
        verify(*entrants[i]);
        rows[i].name = entrants[i]->name();
        rows[i].iterations = calibrated(*entrants[i], options.milliseconds);
    }
    for (std::size_t repetition = 0; repetition < options.repetitions; ++repetition) {
        // Each repetition begins with another contestant, so that none always follows the same one.
        const std::size_t first = repetition * count / options.repetitions;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t which = (first + i) % count;
            repeat_once(*entrants[which], rows[which]);
        }
        if (options.progress) options.progress(repetition + 1, options.repetitions);
        if (options.interrupted && options.interrupted()) break;
    }
    return rows;
}

}  // namespace kmemlab::peers

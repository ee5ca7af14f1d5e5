/// Contests: rows that are measured beside each other, in one process, by one loop.
///
///     calibrate      how many units of work of each row last long enough
///     repetition 1   row a, row b, row c        what a repetition of a row is:
///     repetition 2   row c, row b, row a            prepare | a little, to warm up | the units | finish
///     repetition 3   row b, row c, row a                                             timed
///     ...
///
/// Rows take turns, in one direction and the other, and beginning farther on as time goes by, so that a
/// machine that gets slower does so for all and none always follows the same one. Those that are compared
/// should be neighbours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/measure/environment.hpp"

namespace kmemlab {

/// Whole numbers by name, of a fixed amount of work; what is the same in every run says so.
using Counts = std::vector<std::pair<std::string, std::uint64_t>>;

/// One row of a result: a unit of work, done by one contestant.
class Contest {
  public:
    /// How many units a repetition may have; equal: exactly so many.
    struct Units {
        std::size_t least = 1;
        std::size_t most = std::numeric_limits<std::size_t>::max();
        /// Units come in so many, and `least` is a multiple of it. Who did more than is counted would seem
        /// slow.
        std::size_t at_once = 1;

        [[nodiscard]] static Units in_batches_of(std::size_t count) {
            Units units;
            units.least = units.at_once = count;
            return units;
        }
        [[nodiscard]] std::size_t whole(std::size_t count) const {
            return (count + at_once - 1) / at_once * at_once;
        }
    };

    virtual ~Contest() = default;
    /// WORK/SIZE/WHO, as "pair/64/slub".
    [[nodiscard]] virtual const std::string& name() const = 0;
    [[nodiscard]] virtual Units units() { return {}; }
    /// Called before `count` units are run (by one or several calls of run), and behind them; not timed.
    virtual void prepare(std::size_t /*count*/) {}
    virtual void finish() {}
    /// Does `count` units of the work.
    virtual void run(std::size_t count) = 0;
    /// Processor time of the last run(), in nanoseconds, if another process did the work.
    [[nodiscard]] virtual std::optional<double> cpu_ns() const { return {}; }
    /// Empty if the work does what it should; else what was found. Not timed.
    [[nodiscard]] virtual std::string verify() = 0;
    /// What is counted beside the time, in a pass of its own; empty: nothing.
    [[nodiscard]] virtual Counts counts() { return {}; }
};

using Contests = std::vector<std::unique_ptr<Contest>>;

struct ContestRow {
    std::string name;
    std::size_t iterations = 0;       ///< units of work in a repetition
    std::vector<double> nanoseconds;  ///< per unit, one figure per repetition
    std::vector<double> cpu_nanoseconds;
    Counts counts;
};

struct ContestOptions {
    unsigned repetitions = 11;
    std::string filter;        ///< regular expression; rows whose name it finds are measured
    double milliseconds = 20;  ///< that each repetition lasts at least
    /// Asked between repetitions whether to stop; empty: never.
    std::function<bool()> interrupted;
    std::function<void(std::size_t done, std::size_t total)> progress;
    /// The rows of a run that was interrupted, with the same names: it goes on with the next repetition.
    std::vector<ContestRow> before;
};

/// Measures the rows that the filter finds. Throws UsageError if the filter is malformed or finds none (its
/// message names `command`), or if a contest does not do what it should. If interrupted, all rows have as
/// many repetitions, or none.
[[nodiscard]] std::vector<ContestRow> measure(const Contests& contests, const ContestOptions& options,
                                              const std::string& command);

/// Names of all rows, those that the filter finds.
[[nodiscard]] std::vector<std::string> names(const Contests& contests, const std::string& filter,
                                             const std::string& command);

/// The row of that name; nullptr: it was not measured.
[[nodiscard]] const ContestRow* find_row(const std::vector<ContestRow>& rows, const std::string& name);

/// How many times the CPU time of `other` the row took: the median over the repetitions of both, each with
/// the other's of the same turn, for what slows the machine down slows both. Nothing without `other`, or if
/// it took none.
[[nodiscard]] std::optional<double> ratio(const ContestRow& row, const ContestRow* other);

/// The median CPU time of the row of that name, in nanoseconds; nothing if it was not measured.
[[nodiscard]] std::optional<double> median_of(const std::vector<ContestRow>& rows, const std::string& name);

/// `benchmarks` of a result file: a row per repetition, in the form of Google Benchmark.
[[nodiscard]] Json benchmark_rows(const std::vector<ContestRow>& rows);

/// The rows that `benchmarks` was made of, without their counts. Throws Json::exception if it is another
/// thing.
[[nodiscard]] std::vector<ContestRow> rows_of(const Json& benchmarks);

}  // namespace kmemlab

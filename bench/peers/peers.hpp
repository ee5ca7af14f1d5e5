/// `kmemlab peers`: our allocators beside the mallocs that everybody knows, in one run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/measure/environment.hpp"
#include "bench/peers/contestant.hpp"

namespace kmemlab::peers {

struct Options {
    unsigned repetitions = 11;
    std::string filter;        ///< regular expression; rows whose name it finds are measured
    double milliseconds = 20;  ///< that each repetition lasts at least
    /// Asked between repetitions whether to stop; empty: never.
    std::function<bool()> interrupted;
    std::function<void(std::size_t done, std::size_t total)> progress;
};

struct Row {
    std::string name;
    std::size_t iterations = 0;       ///< units of work in a repetition
    std::vector<double> nanoseconds;  ///< per unit, one figure per repetition
    std::vector<double> cpu_nanoseconds;
};

/// Measures the rows that the filter finds. Throws UsageError if the filter is malformed or finds none, or if
/// an allocator does not keep what is written into its objects. Rows are as they are if interrupted.
[[nodiscard]] std::vector<Row> measure(const Contests& contests, const Options& options);

/// Names of all rows, those that the filter finds.
[[nodiscard]] std::vector<std::string> names(const Contests& contests, const std::string& filter);

/// Medians and spreads of the CPU time, which other work on the machine lengthens least, and how each row
/// compares with the floor and with the best peer of its work and size.
[[nodiscard]] std::string table(const std::vector<Row>& rows);

/// The bars that the project has set itself, each with the ratio measured: empty if their rows are missing.
[[nodiscard]] std::string bars(const std::vector<Row>& rows);

/// Rows in the form of Google Benchmark (docs/results.md), with a member `peers`.
[[nodiscard]] Json to_json(const std::vector<Row>& rows, std::span<const PeerLibrary> libraries,
                           const std::string& command);

}  // namespace kmemlab::peers

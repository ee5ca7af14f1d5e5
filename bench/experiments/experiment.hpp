/// An experiment of the literature, done here: what the source saw, what we see, and why.
///
///     experiments()   the table: name, one line, the function that does it
///     Outcome         what a run found; each finding may say what it had to be
///     to_text         prints every outcome alike
///
/// An experiment builds the machine that it needs, asks it, and writes down what it finds. What must come out
/// is an expectation, so each experiment is a test of itself: `kmemlab experiment NAME` ends with status 1 if
/// one is not met. Times are findings without expectation.
///
/// To add one: a function `Outcome name(const Options&)` in a file of its own, its declaration in
/// experiments.hpp, and a line in the table of experiment.cpp.
#pragma once

#include <fmt/format.h>

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kmemlab::experiments {

struct Options {
    std::string file;  ///< what the experiment shall read; empty: its default
};

/// One thing that was seen.
struct Finding {
    std::string what;
    std::string value;
    std::string expected;  ///< empty: anything would do
    bool met = true;
};

class Outcome {
  public:
    Outcome(std::string source, std::string why) : source_{std::move(source)}, why_{std::move(why)} {}

    /// Something seen, of which nothing is expected.
    void note(std::string what, std::string value) {
        findings_.push_back({std::move(what), std::move(value), "", true});
    }
    /// Something seen, and what it had to be.
    void expect(std::string what, std::string value, std::string expected, bool met) {
        findings_.push_back({std::move(what), std::move(value), std::move(expected), met});
    }
    /// `unit` stands behind both numbers.
    template <std::totally_ordered T>
    void expect_equal(const std::string& what, const T& value, const T& expected,
                      std::string_view unit = "") {
        expect(what, with_unit(value, unit), with_unit(expected, unit), value == expected);
    }
    /// Ends included; both are printed with `digits` decimals.
    void expect_between(std::string what, double value, double low, double high, std::string_view unit = "",
                        int digits = 1);

    [[nodiscard]] const std::string& source() const { return source_; }
    [[nodiscard]] const std::string& why() const { return why_; }
    [[nodiscard]] std::span<const Finding> findings() const { return findings_; }
    /// The finding of that name; nullptr: there is none.
    [[nodiscard]] const Finding* find(std::string_view what) const;
    [[nodiscard]] bool as_expected() const;

  private:
    template <class T>
    [[nodiscard]] static std::string with_unit(const T& value, std::string_view unit) {
        return fmt::format("{}{}{}", value, unit.empty() ? "" : " ", unit);
    }

    std::string source_;
    std::string why_;
    std::vector<Finding> findings_;
};

struct Experiment {
    std::string_view name;
    std::string_view what;       ///< one line
    std::string_view file_help;  ///< what Options::file is; empty: it reads none
    Outcome (*run)(const Options&);
};

/// All of them, in the order in which they are listed.
[[nodiscard]] std::span<const Experiment> experiments();

/// Throws UsageError that names the valid ones.
[[nodiscard]] const Experiment& find_experiment(std::string_view name);

/// Throws UsageError if it is given a file and reads none, or as the experiment does.
[[nodiscard]] Outcome run(const Experiment& experiment, const Options& options = {});

[[nodiscard]] std::string to_text(const Experiment& experiment, const Outcome& outcome);

}  // namespace kmemlab::experiments

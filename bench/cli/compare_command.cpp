// kmemlab compare: starts plots/compare.py, which has the statistics, and measures what it checks itself by.
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "allocators/base/check.hpp"
#include "bench/cli/command.hpp"
#include "bench/cli/contests.hpp"
#include "bench/cli/input.hpp"
#include "bench/cli/output.hpp"
#include "bench/cli/plots.hpp"
#include "bench/cli/terminal.hpp"
#include "bench/measure/cycle_counter.hpp"
#include "bench/measure/result_file.hpp"
#include "bench/measure/self_check.hpp"
#include "bench/peers/contestant.hpp"
#include "bench/versus/decisions.hpp"
#include "bench/versus/speed.hpp"

namespace kmemlab::cli {
namespace {

struct CompareOptions {
    std::vector<std::string> files;
    std::vector<std::string> run;
    std::vector<std::string> kernels;
    std::vector<std::string> traces;
    std::string output;
    std::string json;
    std::string filter;        ///< empty: checked_rows
    unsigned repetitions = 0;  ///< 0: as many as suit what is asked
    bool force = false;
    bool self_check = false;
    bool fail_if_slower = false;
    bool markdown = false;
};

constexpr const char* checked_rows = "^(pair/64/(slub|slub-kmalloc|slub-sheaves|slab)|pair/4096/buddy)$";

Json self_check_json(const Rows& rows, const std::vector<std::string>& names, const std::string& command) {
    Json parties = Json::array();
    for (const SelfCheckRow& row : self_check_rows(names))
        parties.push_back({{"name", row.name}, {"again", row.again}, {"delayed", row.delayed}});
    return {{"context", context(command, {})},
            {"benchmarks", benchmark_rows(rows)},
            {"self_check", {{"rows", parties}}}};
}

/// Measures what compare is checked by. The name of the result, or nothing if interrupted.
std::optional<std::string> measured_self_check(const CompareOptions& options, const Invocation& invocation) {
    constexpr unsigned usual_repetitions = 31;
    const Contests contests = peers::all_contests({});
    const std::vector<std::string> chosen =
        names(contests, options.filter.empty() ? checked_rows : options.filter, "peers");
    std::optional<ResultFile> file;
    if (!options.json.empty()) file.emplace(options.json);
    ContestOptions how;
    how.repetitions = options.repetitions == 0 ? usual_repetitions : options.repetitions;
    const Rows rows = measured("self-check", self_check_contests(contests, chosen), how);
    if (interrupted()) return std::nullopt;
    const std::string text = self_check_json(rows, chosen, invocation.command).dump(1) + "\n";
    if (!file) return in_memory("self-check", text);
    file->commit(text);
    return options.json;
}

Json rows_json(const std::vector<ContestRow>& rows, const std::string& command) {
    return {{"context", context(command, {})}, {"benchmarks", benchmark_rows(rows)}};
}

/// Measures two kernels, prints what they decide and hold, and leaves the names of two results; nothing if
/// interrupted.
std::optional<std::vector<std::string>> measured_kernels(const CompareOptions& options,
                                                         const Invocation& invocation) {
    const guests::Kernel before = guests::find_kernel(options.kernels[0]);
    const guests::Kernel after = guests::find_kernel(options.kernels[1]);
    std::vector<trace::Trace> traces;
    for (const std::string& file : options.traces) traces.push_back(read_input(file));
    catch_interrupts();
    pin_thread();
    ProgressLine line;
    const auto decisions =
        versus::decisions(before, after, [&](const std::string& what, std::size_t done, std::size_t total) {
            line.show(what, done, total);
            return !interrupted();
        });
    if (interrupted()) return std::nullopt;
    versus::SpeedOptions how;
    how.kernels = {before.name, after.name};
    how.filter = options.filter;
    if (options.repetitions != 0) how.turns = options.repetitions;
    how.progress = [&](std::size_t done, std::size_t total) { line.show("turns", done, total); };
    how.interrupted = interrupted;
    line.show("turns", 0, how.turns);
    const versus::Speed speed = versus::speed(traces, how);
    line.clear();
    if (speed.interrupted) return std::nullopt;
    print(fmt::format("before: {}, {}\nafter:  {}, {}\n\n", before.name, before.description(), after.name,
                      after.description()) +
          versus::to_text(decisions) + "\n" + versus::memory_text(traces, speed) + "\n");
    return std::vector<std::string>{in_memory("before", rows_json(speed.rows[0], invocation.command).dump()),
                                    in_memory("after", rows_json(speed.rows[1], invocation.command).dump())};
}

int compare(CompareOptions options, const Invocation& invocation) {
    const bool measures = options.self_check && options.files.empty();
    const bool of_kernels = !options.kernels.empty();
    if (!measures && !options.json.empty()) throw UsageError("--json is for --self-check without files");
    if (!measures && !of_kernels && !options.filter.empty())
        throw UsageError("--filter is for --kernels, or for --self-check without files");
    if (!measures && !of_kernels && options.run.empty() && options.repetitions != 0)
        throw UsageError("--repetitions is for --run and --kernels, or for --self-check without files");
    if (!of_kernels && !options.traces.empty()) throw UsageError("--trace is for --kernels");
    if (of_kernels && !options.files.empty()) throw UsageError("--kernels measures itself: expected no FILE");
    std::vector<std::string> words = plots_words("compare");
    if (measures) {
        const std::optional<std::string> result = measured_self_check(options, invocation);
        if (!result) return exit_interrupted;
        options.files.push_back(*result);
    } else if (of_kernels) {
        const auto results = measured_kernels(options, invocation);
        if (!results) return exit_interrupted;
        options.files = *results;
        words.insert(words.end(), {"--names", guests::as_allocator(options.kernels[0]),
                                   guests::as_allocator(options.kernels[1])});
    } else if (options.repetitions != 0) {
        words.push_back(fmt::format("--repetitions={}", options.repetitions));
    }
    if (!options.run.empty()) words.insert(words.end(), {"--run", options.run[0], options.run[1]});
    if (options.force) words.emplace_back("--force");
    if (options.self_check) words.emplace_back("--self-check");
    if (options.fail_if_slower) words.emplace_back("--fail-if-slower");
    if (options.markdown) words.emplace_back("--markdown");
    if (!options.output.empty()) words.push_back("--output=" + options.output);
    words.emplace_back("--");
    words.insert(words.end(), options.files.begin(), options.files.end());
    return run_python(std::move(words));
}

constexpr const char* help_footer = R"(
Says of each row that both have the ratio of the medians B / A with its 95 % interval, Mann and
Whitney's p raised for the number of rows, the effect (in which share of all pairs of repetitions B is
slower), and a verdict where interval and p agree.

--run starts the two commands in turns, each with --json FILE behind it (or FILE in the place of a {}), and
compares the medians of the runs: two programs side by side in time, each in many processes.

--kernels boots two kernels of `kmemlab kernel build` in turns, and compares how fast they are, what they decide
(the experiments of `kmemlab golden make`: the first row that differs), and what memory they hold over each --trace.

--self-check without files tells what this machine supports now: rows of `kmemlab peers` are measured beside
themselves, of which nothing may differ, and beside themselves with 5 % of work put in, which must be found.
With files the even repetitions of each are set against the odd ones, and against those made 5 % longer.

Exit status: 0 compared, 1 something is slower (--fail-if-slower) or the self-check failed.

Examples:
  kmemlab compare before.json after.json
  kmemlab compare --fail-if-slower --markdown before.json after.json -o ratios.svg
  kmemlab compare --run 'old/kmemlab peers --repetitions 3' 'new/kmemlab peers --repetitions 3'
  kmemlab compare --kernels slub-6.1.192,patched --trace bench/traces/forkstorm.trace.zst
  kmemlab compare --self-check)";

}  // namespace

Command add_compare(CLI::App& program) {
    auto options = std::make_shared<CompareOptions>();
    CLI::App* app =
        program.add_subcommand("compare", "Two runs on one machine: which rows are slower or faster");
    app->add_option("FILE", options->files, "A and B; with --self-check any number");
    app->add_flag("--force", options->force, "Compare runs of different environments too");
    auto* self_check = app->add_flag(
        "--self-check", options->self_check,
        "Compare each file with itself: nothing may differ, and a delay of 5 % must be found; without "
        "files measure for it");
    app->add_option("--run", options->run, "Run two commands in turns, and compare what they measure")
        ->excludes(self_check)
        ->type_name("COMMAND")
        ->expected(2);
    app->add_option("--kernels", options->kernels, "Measure two kernels in turns, and compare them")
        ->delimiter(',')
        ->excludes(self_check)
        ->type_name("BEFORE,AFTER")
        ->expected(2);
    app->add_option("--trace", options->traces, "Of --kernels: replay this too; repeatable")
        ->allow_extra_args(false);
    app->add_option("--repetitions", options->repetitions,
                    "Of --run and --kernels (default: 10), or of a --self-check that measures (default: 31)")
        ->check(CLI::Range(1U, 1000U));
    app->add_option("--filter", options->filter,
                    "Of a --self-check that measures, or --kernels: which rows of `kmemlab peers --list`");
    app->add_option("--json", options->json, "Of a --self-check that measures: keep the figures here");
    app->add_flag("--fail-if-slower", options->fail_if_slower, "Status 1 if a row of B is slower");
    app->add_flag("--markdown", options->markdown, "A table for a page or a comment");
    app->add_option("-o,--output", options->output, "Also draw the ratios: a name that ends in .svg or .png");
    app->footer(help_footer);
    return {app, [options](const Invocation& invocation) { return compare(*options, invocation); }};
}

}  // namespace kmemlab::cli

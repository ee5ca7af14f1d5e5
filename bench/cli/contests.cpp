#include "bench/cli/contests.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "allocators/base/check.hpp"
#include "bench/cli/command.hpp"
#include "bench/cli/output.hpp"
#include "bench/cli/partial.hpp"
#include "bench/cli/terminal.hpp"
#include "bench/measure/cycle_counter.hpp"
#include "bench/measure/result_file.hpp"

namespace kmemlab::cli {

void add_contests_options(CLI::App& app, ContestsOptions& options, std::string_view form) {
    app.add_option("--json", options.json, "Write the figures to this file (form of Google Benchmark)");
    app.add_option("--repetitions", options.measuring.repetitions, "Repetitions of each row")
        ->check(CLI::Range(1U, 1000U))
        ->capture_default_str();
    app.add_option("--filter", options.measuring.filter,
                   fmt::format("Only rows {} that this regular expression finds", form));
    app.add_flag("--list", options.list, "Print the names of the rows and exit");
    app.add_flag("--dry-run", options.dry_run,
                 "Print the names of the rows and how long they take, and exit");
    app.add_flag("--resume", options.resume, Partial::resume_help);
}

Rows measured(std::string_view command, const Contests& contests, ContestOptions options) {
    const std::string name{command};
    catch_interrupts();
    pin_thread();
    ProgressLine progress;
    options.interrupted = interrupted;
    options.progress = [&](std::size_t done, std::size_t total) { progress.show(name, done, total); };
    progress.show(name + ", calibration", 0, 0);
    return measure(contests, options, name);
}

namespace {

std::string rows_text(const std::vector<std::string>& rows) {
    return fmt::format("{}\n", fmt::join(rows, "\n"));
}

/// Repetitions last what they shall; calibration, counting and warming up as long as two of them.
std::string duration_text(std::size_t rows, const ContestOptions& measuring) {
    const double seconds =
        static_cast<double>(rows) * (measuring.repetitions + 2) * measuring.milliseconds * 1.25 / 1e3;
    return fmt::format("{} rows, {} repetitions of at least {} ms: about {}\n", rows, measuring.repetitions,
                       measuring.milliseconds, duration(seconds));
}

bool are_rows_of(const std::vector<std::string>& wanted, const Rows& rows) {
    return std::equal(wanted.begin(), wanted.end(), rows.begin(), rows.end(),
                      [&](const std::string& name, const ContestRow& row) {
                          return name == row.name && row.nanoseconds.size() == rows[0].nanoseconds.size();
                      });
}

/// What an interrupted run of these rows left; nothing if there was none.
Rows left_over(const Partial& partial, const std::vector<std::string>& wanted) {
    const std::optional<Json> kept = partial.read();
    if (!kept) return {};
    try {
        Rows rows = rows_of(kept->at("benchmarks"));
        if (are_rows_of(wanted, rows)) return rows;
    } catch (const Json::exception& error) {
        throw UsageError::of("{}: expected the figures of an interrupted run: {}", partial.name(),
                             error.what());
    }
    throw UsageError::of("{}: expected the rows of the same filter; remove it to begin anew", partial.name());
}

}  // namespace

int run_contests(std::string_view command, const Contests& contests, const ContestsOptions& options,
                 const std::function<Json(const Rows&)>& to_json,
                 const std::function<std::string(const Rows&)>& to_text) {
    const std::string name{command};
    const Partial partial{options.json};
    ContestOptions measuring = options.measuring;
    if (options.list || options.dry_run) {
        const std::vector<std::string> rows = names(contests, measuring.filter, name);
        print(rows_text(rows) + (options.dry_run ? duration_text(rows.size(), measuring) : ""));
        return exit_good;
    }
    if (options.resume) measuring.before = left_over(partial, names(contests, measuring.filter, name));
    catch_interrupts();
    std::optional<ResultFile> file;
    if (!options.json.empty()) file.emplace(options.json);
    const Rows rows = measured(command, contests, measuring);
    const std::size_t done = rows[0].nanoseconds.size();
    if (done < measuring.repetitions) {
        if (done == 0) {
            complain("interrupted before a repetition was whole");
            return exit_interrupted;
        }
        if (options.json.empty()) {
            print(to_text(rows));
            complain(fmt::format("interrupted after {} of {} repetitions", done, measuring.repetitions));
            return exit_interrupted;
        }
        partial.keep(to_json(rows), done, measuring.repetitions);
        return exit_interrupted;
    }
    deliver(file, to_json(rows).dump(1) + "\n", to_text(rows));
    partial.remove();
    return exit_good;
}

}  // namespace kmemlab::cli

#include "bench/cli/contests.hpp"

#include <fmt/format.h>

#include <optional>

#include "bench/cli/command.hpp"
#include "bench/cli/output.hpp"
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
}

std::optional<Rows> measured(std::string_view command, const Contests& contests, ContestOptions options) {
    const std::string name{command};
    catch_interrupts();
    pin_thread();
    ProgressLine progress;
    options.interrupted = interrupted;
    options.progress = [&](std::size_t done, std::size_t total) { progress.show(name, done, total); };
    Rows rows = measure(contests, options, name);
    progress.clear();
    if (interrupted()) return std::nullopt;
    return rows;
}

int run_contests(std::string_view command, const Contests& contests, const ContestsOptions& options,
                 const std::function<Json(const Rows&)>& to_json,
                 const std::function<std::string(const Rows&)>& to_text) {
    const std::string name{command};
    if (options.list) {
        for (const auto& row : names(contests, options.measuring.filter, name)) print(row + "\n");
        return exit_good;
    }
    catch_interrupts();
    std::optional<ResultFile> file;
    if (!options.json.empty()) file.emplace(options.json);
    const std::optional<Rows> rows = measured(command, contests, options.measuring);
    if (!rows) return exit_interrupted;
    deliver(file, to_json(*rows).dump(1) + "\n", to_text(*rows));
    return exit_good;
}

}  // namespace kmemlab::cli

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

int run_contests(std::string_view command, const Contests& contests, ContestsOptions options,
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
    pin_thread();
    ProgressLine progress;
    options.measuring.interrupted = interrupted;
    options.measuring.progress = [&](std::size_t done, std::size_t total) {
        progress.show(name, done, total);
    };
    const Rows rows = measure(contests, options.measuring, name);
    progress.clear();
    if (interrupted()) return exit_interrupted;
    deliver(file, to_json(rows).dump(1) + "\n", to_text(rows));
    return exit_good;
}

}  // namespace kmemlab::cli

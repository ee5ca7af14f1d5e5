#include <fmt/format.h>

#include <memory>
#include <string>

#include "bench/cli/command.hpp"
#include "bench/cli/output.hpp"
#include "bench/experiments/experiment.hpp"

namespace kmemlab::cli {
namespace {

struct ExperimentOptions {
    std::string name;
    experiments::Options how;
    bool list = false;
};

std::string list_text() {
    std::string text;
    for (const experiments::Experiment& experiment : experiments::experiments()) {
        text += fmt::format("{:<22} {}\n", experiment.name, experiment.what);
        if (!experiment.file_help.empty())
            text += fmt::format("{:<22}   --file: {}\n", "", experiment.file_help);
    }
    return text;
}

int run_experiment(const ExperimentOptions& options) {
    if (options.list) return print(list_text()), exit_good;
    if (options.name.empty()) return complain("expected the name of an experiment (see experiment --list)");
    const experiments::Experiment& experiment = experiments::find_experiment(options.name);
    const experiments::Outcome outcome = experiments::run(experiment, options.how);
    print(experiments::to_text(experiment, outcome));
    return outcome.as_expected() ? exit_good : exit_found_fault;
}

constexpr const char* help_footer = R"(
Prints what the source saw, what is seen here, and why. Status 1: something is not as expected.

Examples:
  kmemlab experiment --list
  kmemlab experiment kmalloc-limits
  kmemlab experiment frame-sizes --file a.out)";

}  // namespace

Command add_experiment(CLI::App& program) {
    auto options = std::make_shared<ExperimentOptions>();
    CLI::App* app = program.add_subcommand("experiment", "An experiment of the literature, done here");
    app->add_option("NAME", options->name, "Which one");
    app->add_flag("--list", options->list, "Print the names, and what each is about");
    app->add_option("--file", options->how.file, "For experiments that read a file: which one");
    app->footer(help_footer);
    return {app, [options](const Invocation&) { return run_experiment(*options); }};
}

}  // namespace kmemlab::cli

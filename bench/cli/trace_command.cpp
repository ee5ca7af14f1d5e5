#include <fmt/format.h>

#include <memory>

#include "bench/cli/command.hpp"
#include "bench/cli/input.hpp"
#include "bench/cli/output.hpp"
#include "bench/measure/result_file.hpp"
#include "bench/trace/describe.hpp"
#include "bench/trace/trace.hpp"

namespace kmemlab::cli {
namespace {

struct TraceOptions {
    std::string file;
    std::string json;
    std::string output;
};

int info(const TraceOptions& options) {
    const trace::Trace trace = read_input(options.file);
    if (!options.json.empty()) write_result(options.json, trace::describe_json(trace).dump(1) + "\n");
    print(trace::describe(trace));
    return exit_good;
}

int pack(const TraceOptions& options) {
    const trace::Trace trace = read_input(options.file);
    trace::write_packed(trace, options.output);
    print(fmt::format("{}: {} operations\n", options.output, trace.operations.size()));
    return exit_good;
}

}  // namespace

std::vector<Command> add_trace(CLI::App& program) {
    CLI::App* app = program.add_subcommand("trace", "Look into recordings of a kernel");
    app->footer(
        "\nExamples:\n  kmemlab trace info recording.trace.zst\n  kmemlab trace pack recording.trace.zst -o "
        "recording.kmt");

    auto options = std::make_shared<TraceOptions>();
    CLI::App* info_app = app->add_subcommand(
        "info",
        "Counts per event, sizes, caches, lifetimes, call sites, CPUs, and what could not be matched");
    info_app->add_option("FILE", options->file, input_help)->required();
    info_app->add_option("--json", options->json, "Write all of it to this file");
    info_app->footer("\nExample:\n  kmemlab trace info recording.trace.zst --json info.json");

    CLI::App* pack_app = app->add_subcommand("pack", "Write the packed form, which is read fastest");
    pack_app->add_option("FILE", options->file, input_help)->required();
    pack_app->add_option("-o,--output", options->output, "Where to write the packed form (NAME.kmt)")
        ->required();
    pack_app->footer("\nExample:\n  kmemlab trace pack recording.trace.zst -o recording.kmt");

    return {{info_app, [options](const Invocation&) { return info(*options); }},
            {pack_app, [options](const Invocation&) { return pack(*options); }}};
}

}  // namespace kmemlab::cli

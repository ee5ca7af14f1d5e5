#include <fmt/format.h>

#include <memory>
#include <optional>

#include "bench/cli/command.hpp"
#include "bench/cli/output.hpp"
#include "bench/cli/terminal.hpp"
#include "bench/measure/cycle_counter.hpp"
#include "bench/measure/result_file.hpp"
#include "bench/peers/peers.hpp"

namespace kmemlab::cli {
namespace {

struct PeersOptions {
    ContestOptions measuring;
    std::string json;
    bool list = false;
};

std::string libraries_text(const std::vector<peers::PeerLibrary>& libraries) {
    std::string text;
    for (const auto& library : libraries) {
        if (!library.absent.empty()) text += fmt::format("skipped {}: {}\n", library.name, library.absent);
    }
    return text;
}

int compare(PeersOptions options, const Invocation& invocation) {
    const auto libraries = peers::load_peers();
    if (peers::lacks_static_tls(libraries)) peers::restart_with_static_tls(invocation.argv);
    const auto contests = peers::all_contests(libraries);
    if (options.list) {
        for (const auto& name : names(contests, options.measuring.filter, "peers")) print(name + "\n");
        return exit_good;
    }
    catch_interrupts();
    std::optional<ResultFile> file;
    if (!options.json.empty()) file.emplace(options.json);
    pin_thread();
    ProgressLine progress;
    options.measuring.interrupted = interrupted;
    options.measuring.progress = [&](std::size_t done, std::size_t total) {
        progress.show("peers", done, total);
    };
    const auto rows = measure(contests, options.measuring, "peers");
    progress.clear();
    if (interrupted()) return exit_interrupted;
    deliver(file, peers::to_json(rows, libraries, invocation.command).dump(1) + "\n",
            libraries_text(libraries) + peers::table(rows) + peers::bars(rows));
    return exit_good;
}

}  // namespace

Command add_peers(CLI::App& program) {
    auto options = std::make_shared<PeersOptions>();
    CLI::App* app = program.add_subcommand(
        "peers", "Our allocators beside glibc, jemalloc, mimalloc and tcmalloc, in one run");
    app->add_option("--json", options->json, "Write the figures to this file (form of Google Benchmark)");
    app->add_option("--repetitions", options->measuring.repetitions, "Repetitions of each row")
        ->check(CLI::Range(1U, 1000U))
        ->capture_default_str();
    app->add_option("--filter", options->measuring.filter,
                    "Only rows WORK/SIZE/ALLOCATOR that this regular expression finds");
    app->add_flag("--list", options->list, "Print the names of the rows and exit");
    app->footer(
        "\nExamples:\n  kmemlab peers --json peers.json\n  kmemlab peers --filter '^pair/64/' --repetitions "
        "31");
    return {app, [options](const Invocation& invocation) { return compare(*options, invocation); }};
}

}  // namespace kmemlab::cli

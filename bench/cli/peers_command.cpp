#include <fmt/format.h>

#include <memory>

#include "bench/cli/command.hpp"
#include "bench/cli/contests.hpp"
#include "bench/peers/peers.hpp"

namespace kmemlab::cli {
namespace {

std::string libraries_text(const std::vector<peers::PeerLibrary>& libraries) {
    std::string text;
    for (const auto& library : libraries) {
        if (!library.absent.empty()) text += fmt::format("skipped {}: {}\n", library.name, library.absent);
    }
    return text;
}

int compare(const ContestsOptions& options, const Invocation& invocation) {
    const auto libraries = peers::load_peers();
    if (peers::lacks_static_tls(libraries)) peers::restart_with_static_tls(invocation.argv);
    return run_contests(
        "peers", peers::all_contests(libraries), options,
        [&](const Rows& rows) { return peers::to_json(rows, libraries, invocation.command); },
        [&](const Rows& rows) { return libraries_text(libraries) + peers::table(rows) + peers::bars(rows); });
}

}  // namespace

Command add_peers(CLI::App& program) {
    auto options = std::make_shared<ContestsOptions>();
    CLI::App* app = program.add_subcommand(
        "peers", "Our allocators beside glibc, jemalloc, mimalloc and tcmalloc, in one run");
    add_contests_options(*app, *options, "WORK/SIZE/ALLOCATOR");
    app->footer(
        "\nExamples:\n  kmemlab peers --json peers.json\n  kmemlab peers --filter '^pair/64/' --repetitions "
        "31");
    return {app, [options](const Invocation& invocation) { return compare(*options, invocation); }};
}

}  // namespace kmemlab::cli

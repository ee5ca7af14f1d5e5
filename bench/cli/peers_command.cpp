#include <fmt/format.h>

#include <memory>

#include "bench/cli/command.hpp"
#include "bench/cli/contests.hpp"
#include "bench/peers/guest_contests.hpp"
#include "bench/peers/kernel_contests.hpp"
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

struct PeersOptions {
    ContestsOptions contests;
    std::vector<std::string> kernel_times;
    std::vector<std::string> kernel_states;
    std::vector<std::string> kernels;
};

std::vector<peers::KernelTimes> read_all(const std::vector<std::string>& files) {
    std::vector<peers::KernelTimes> times;
    times.reserve(files.size());
    for (const std::string& file : files) times.emplace_back(golden::GoldenFile::read(file));
    return times;
}

/// What the filter finds, and the calib rows: without these no recorded time can be scaled.
ContestsOptions with_calibration(ContestsOptions options, const Contests& contests) {
    std::string& filter = options.measuring.filter;
    if (filter.empty()) return options;
    (void)names(contests, filter, "peers");  // refuses it if it is malformed or finds nothing
    filter = fmt::format("(?:{})|^kernel-calib-", filter);
    return options;
}

int compare(PeersOptions options, const Invocation& invocation) {
    const std::vector<peers::KernelTimes> times = read_all(options.kernel_times);
    const auto libraries = peers::load_peers();
    if (peers::lacks_static_tls(libraries)) peers::restart_with_static_tls(invocation.argv);
    Contests contests = peers::all_contests(libraries);
    peers::add_kernel_contests(contests, times, peers::read_states(options.kernel_states));
    std::vector<guests::Kernel> kernels;
    kernels.reserve(options.kernels.size());
    for (const std::string& name : options.kernels) kernels.push_back(guests::find_kernel(name));
    peers::add_guest_contests(contests, kernels, times);
    peers::group_by_work(contests);
    if (!times.empty()) options.contests = with_calibration(options.contests, contests);
    return run_contests(
        "peers", contests, options.contests,
        [&](const Rows& rows) {
            Json json = peers::to_json(rows, libraries, invocation.command);
            if (!times.empty()) json["kernel_times"] = peers::to_json(peers::compare(times, rows, kernels));
            return json;
        },
        [&](const Rows& rows) {
            return libraries_text(libraries) + peers::table(rows) + peers::bars(rows) +
                   peers::to_text(peers::compare(times, rows, kernels));
        });
}

constexpr const char* help_footer = R"(
--kernel-times compares with recorded times scaled by the median over the calib rows of here / recorded,
which the filter always keeps.

Examples:
  kmemlab peers --json peers.json
  kmemlab peers --filter '^pair/64/' --repetitions 31
  kmemlab peers --filter '^(pair|batch.*)/64/' --kernel slub-6.1.192
  kmemlab peers --filter ^kernel- --repetitions 5 --kernel-times tests/golden/linux-6.1-timing/* \
    --kernel-state tests/golden/linux-6.1-slob/slabtrace-32.csv.zst tests/golden/linux-6.1-pages/buddytrace-{all,nopcp}.csv.zst)";

}  // namespace

Command add_peers(CLI::App& program) {
    auto options = std::make_shared<PeersOptions>();
    CLI::App* app = program.add_subcommand(
        "peers", "Our allocators beside glibc, jemalloc, mimalloc and tcmalloc, in one run");
    add_contests_options(*app, options->contests, "WORK/SIZE/ALLOCATOR");
    app->add_option("--kernel-times", options->kernel_times,
                    "Also the works that these files tell the times of, recorded from real kernels "
                    "(tests/golden/README.md, Timings), and how ours compare")
        ->type_name("FILE");
    app->add_option("--kernel-state", options->kernel_states,
                    "Golden files whose recorded state those works begin with: of SLOB, of pages; without "
                    "them memory is empty")
        ->needs("--kernel-times")
        ->type_name("FILE");
    app->add_option("--kernel", options->kernels,
                    "Also these kernels of `kmemlab kernel build`, as rows WORK/SIZE/kernel:NAME; with "
                    "--kernel-times they do those works too")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->type_name("NAME");
    app->footer(help_footer);
    return {app, [options](const Invocation& invocation) { return compare(*options, invocation); }};
}

}  // namespace kmemlab::cli

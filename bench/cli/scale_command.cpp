#include <fmt/format.h>

#include <memory>
#include <optional>

#include "bench/cli/command.hpp"
#include "bench/cli/output.hpp"
#include "bench/cli/terminal.hpp"
#include "bench/measure/result_file.hpp"
#include "bench/scale/report.hpp"

namespace kmemlab::cli {
namespace {

struct ScaleOptions {
    scale::Options how;
    std::vector<std::string> patterns{"local", "prodcons", "pingpong"};
    std::vector<std::string> settings;
    std::string json;
};

std::vector<unsigned> powers_of_two() {
    std::vector<unsigned> counts;
    for (unsigned cpus = 1; cpus <= max_cpus; cpus *= 2) counts.push_back(cpus);
    return counts;
}

int run_scale(ScaleOptions options, const Invocation& invocation) {
    for (const std::string& name : options.patterns) options.how.patterns.push_back(scale::pattern_of(name));
    for (const std::string& text : options.settings) options.how.settings.push_back(parse_setting(text));
    std::optional<ResultFile> file;
    if (!options.json.empty()) file.emplace(options.json);
    catch_interrupts();
    ProgressLine progress;
    options.how.interrupted = interrupted;
    options.how.progress = [&](std::size_t done, std::size_t total) { progress.show("scale", done, total); };
    const scale::Result result = scale::run(options.how);
    progress.clear();
    if (result.interrupted) return exit_interrupted;
    deliver(file, scale::to_json(result, invocation.command).dump(1) + "\n", scale::to_text(result));
    return result.found_violation() ? exit_found_fault : exit_good;
}

constexpr const char* help_footer = R"(
Patterns, in pairs of CPUs 2k and 2k+1 (a CPU without a partner is both):
  local     an object is freed on the CPU that allocated it
  prodcons  2k allocates, 2k+1 frees
  pingpong  one side allocates, the other frees; they change every 256 operations
On one CPU all three are local.

Counts, per 1000 operations in the table, whole in the file:
  fast          served by what the CPU has to itself
  refills       allocations for which the CPU's list, array or sheaf was filled first
  flushes       times a CPU gave back what it kept: array, partial list, sheaf
  shared        batches taken from or put into what CPUs share: SLAB's shared array, the barn of sheaves
  locks         taken in the object layer by allocations and by frees; of zones, by either
  remote frees  on another CPU than that which allocated the object

Examples:
  kmemlab scale
  kmemlab scale --allocator slub,slab --pattern prodcons --cpus 2,64 --size 256 --json scale.json
  kmemlab scale --allocator slub --set slub.cpu_partial=0)";

}  // namespace

Command add_scale(CLI::App& program) {
    auto options = std::make_shared<ScaleOptions>();
    options->how.allocators = scale::allocator_names();
    options->how.cpus = powers_of_two();
    scale::Options& how = options->how;
    CLI::App* app = program.add_subcommand(
        "scale", "Count refills, flushes, locks and remote frees on 1 to 256 simulated CPUs");
    app->add_option("--allocator", how.allocators, "Who is driven: object allocators of `kmemlab list`")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->capture_default_str();
    app->add_option("--pattern", options->patterns, "Who allocates and who frees")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->capture_default_str();
    app->add_option("--cpus", how.cpus, "Numbers of CPUs")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(CLI::Range(1U, max_cpus))
        ->capture_default_str();
    app->add_option("--size", how.size, "Bytes of an object")
        ->check(CLI::Range(std::size_t{1}, max_order.bytes()))
        ->capture_default_str();
    app->add_option("--operations", how.operations_per_cpu, "Operations for each CPU")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000}))
        ->capture_default_str();
    app->add_option("--seed", how.seed, "Of what is drawn, not 0")
        ->check(CLI::Range(std::uint64_t{1}, ~std::uint64_t{0}))
        ->capture_default_str();
    app->add_option("--set", options->settings,
                    "KEY=VALUE: a tunable of `kmemlab list --tunables`; repeatable")
        ->allow_extra_args(false);
    app->add_option("--json", options->json, "Write the counts to this file");
    app->footer(help_footer);
    return {app, [options](const Invocation& invocation) { return run_scale(*options, invocation); }};
}

}  // namespace kmemlab::cli

#include <memory>

#include "bench/cli/command.hpp"
#include "bench/cli/contests.hpp"
#include "bench/mapping/mapping.hpp"

namespace kmemlab::cli {
namespace {

struct MappingOptions {
    mapping::Setup setup;
    ContestsOptions contests;
    std::string mmu = "both";
    std::string tlb{mapping::default_tlb};
    std::vector<std::string> settings;
    std::string depths;
};

mapping::Setup setup_of(const MappingOptions& options) {
    mapping::Setup setup = options.setup;
    setup.host = options.mmu != "soft";
    setup.soft = options.mmu != "host";
    setup.tlb = known_tlb(options.tlb);
    if (!options.depths.empty()) setup.depths = stacks::Depths::read(options.depths);
    std::vector<Setting> settings;
    for (const std::string& text : options.settings) settings.push_back(parse_setting(text));
    const std::vector<Tunable> tunables = setup.machine.tunables();
    std::vector<std::string> keys;
    keys.reserve(tunables.size());
    for (const Tunable& tunable : tunables) keys.emplace_back(tunable.key);
    refuse_unknown(settings, keys);
    apply_settings(settings, tunables);
    return setup;
}

int measure_mapping(const MappingOptions& options, const Invocation& invocation) {
    const mapping::Setup setup = setup_of(options);
    return run_contests(
        "mapping", mapping::all_contests(setup), options.contests,
        [&](const Rows& rows) { return mapping::to_json(rows, setup, invocation.command); },
        mapping::to_text);
}

constexpr const char* help_footer = R"(
Rows are named WORK/SIZE/WHO; --list prints them, and docs/mapping.md tells how to read them.

Examples:
  kmemlab mapping --json mapping.json
  kmemlab mapping --filter '^vmalloc/(16384|1048576)/(host|mmap|bare)$' --repetitions 31
  kmemlab mapping --mmu soft --filter '^access/' --tlb amd-zen4)";

}  // namespace

Command add_mapping(CLI::App& program) {
    auto options = std::make_shared<MappingOptions>();
    options->contests.measuring.milliseconds = 10;
    CLI::App* app = program.add_subcommand(
        "mapping", "What mapping memory and reaching it costs: vmalloc, TLB, faults, shootdowns");
    app->add_option("--mmu", options->mmu, "Whose rows: host (real mappings), soft (a model), or both")
        ->check(CLI::IsMember({"host", "soft", "both"}))
        ->capture_default_str();
    add_contests_options(*app, options->contests, "WORK/SIZE/WHO");
    app->add_option("--milliseconds", options->contests.measuring.milliseconds,
                    "That each repetition lasts at least")
        ->check(CLI::Range(0.01, 10000.0))
        ->capture_default_str();
    app->add_option("--cpus", options->setup.cpus, "Numbers of simulated CPUs, where rows differ by them")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(CLI::Range(1U, max_cpus))
        ->capture_default_str();
    app->add_option("--tlb", options->tlb, "The CPU whose TLB is played (docs/mmu.md)")
        ->capture_default_str();
    app->add_option("--depths", options->depths,
                    "How deep tasks go on their stacks: a file as `grep kstack /proc/vmstat` prints it");
    app->add_option("--set", options->settings,
                    "KEY=VALUE: a tunable of machine, zones, page lists or vmalloc; repeatable")
        ->allow_extra_args(false);
    app->footer(help_footer);
    return {app, [options](const Invocation& invocation) { return measure_mapping(*options, invocation); }};
}

}  // namespace kmemlab::cli

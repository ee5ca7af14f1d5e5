#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "bench/cli/command.hpp"
#include "bench/cli/output.hpp"
#include "bench/workloads/workload.hpp"

namespace kmemlab::cli {
namespace {

using workloads::Parameter;
using workloads::Workload;

std::string text_of(const Workload& workload) {
    const workloads::WorkloadInfo& info = workload.info;
    std::string text = fmt::format("{}: {}\n    source: {}\n    asks for: {}\n    a turn: {}\n", info.name,
                                   info.what, info.source, info.asks, info.turn);
    for (const Parameter& parameter : workload.parameters()) {
        text += fmt::format("    {:<10} {:<10} {} ({})\n", parameter.key, parameter.value, parameter.help,
                            parameter.accepted);
    }
    return text;
}

nlohmann::json json_of(const Workload& workload) {
    const workloads::WorkloadInfo& info = workload.info;
    nlohmann::json parameters = nlohmann::json::array();
    for (const Parameter& parameter : workload.parameters()) {
        parameters.push_back({{"key", parameter.key},
                              {"help", parameter.help},
                              {"accepted", parameter.accepted},
                              {"default", parameter.value}});
    }
    return {{"name", info.name}, {"what", info.what}, {"source", info.source},
            {"asks", info.asks}, {"turn", info.turn}, {"parameters", parameters}};
}

int list(bool as_json) {
    nlohmann::json rows = nlohmann::json::array();
    std::string text;
    for (const Workload& workload : workloads::all_workloads()) {
        rows.push_back(json_of(workload));
        text += text_of(workload);
    }
    print(as_json ? rows.dump(1) + "\n" : text);
    return exit_good;
}

}  // namespace

Command add_workload(CLI::App& program) {
    CLI::App* app = program.add_subcommand("workload", "Workloads of the literature, made as traces");
    app->footer(
        "\nExamples:\n  kmemlab workload list\n  kmemlab replay workload:larson,threads=8,seed=3 --allocator "
        "slub,malloc");
    CLI::App* list_app =
        app->add_subcommand("list", "Name, description, source and parameters of each workload");
    auto as_json = std::make_shared<bool>(false);
    list_app->add_flag("--json", *as_json, "As JSON");
    list_app->footer("\nExample:\n  kmemlab workload list --json");
    return {list_app, [as_json](const Invocation&) { return list(*as_json); }};
}

}  // namespace kmemlab::cli

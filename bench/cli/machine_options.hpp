/// Options of the machine that a trace runs on, of all commands that replay one: --set, --cpus, --arena.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "allocators/base/tunable.hpp"

namespace kmemlab::cli {

struct MachineOptions {
    std::vector<std::string> set;
    std::string cpus;
    std::string arena;

    /// In their order; --cpus and --arena last. Throws UsageError if one is no KEY=VALUE.
    [[nodiscard]] std::vector<Setting> settings() const {
        std::vector<Setting> settings;
        for (const std::string& text : set) settings.push_back(parse_setting(text));
        if (!cpus.empty()) settings.push_back({"machine.cpus", cpus});
        if (!arena.empty()) settings.push_back({"machine.arena", arena});
        return settings;
    }
};

inline void add_machine_options(CLI::App& app, MachineOptions& options) {
    app.add_option("--set", options.set, "KEY=VALUE: a tunable of `kmemlab list --tunables`; repeatable")
        ->allow_extra_args(false);
    app.add_option("--cpus", options.cpus, "As --set machine.cpus=N (default: as many as the trace has)");
    app.add_option("--arena", options.arena, "As --set machine.arena=SIZE: bytes, or with K, M, G behind");
}

}  // namespace kmemlab::cli

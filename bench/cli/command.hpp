/// The subcommands of `kmemlab`, each in a file of its own: it adds its options to the program, and what it
/// returns runs when it was chosen. Bad input is a UsageError; main.cpp turns it into one line and status 2.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace kmemlab::cli {

inline constexpr int exit_good = 0;
inline constexpr int exit_found_fault = 1;  ///< an allocator broke a law
inline constexpr int exit_usage = 2;
inline constexpr int exit_interrupted = 130;

/// What every command may need of the process.
struct Invocation {
    std::string command;  ///< the command line as one string, for result files
    char** argv = nullptr;
};

using Run = std::function<int(const Invocation&)>;

/// A subcommand and what it does; CLI11 owns the former.
struct Command {
    CLI::App* app;
    Run run;
};

[[nodiscard]] Command add_list(CLI::App& program);
[[nodiscard]] std::vector<Command> add_trace(CLI::App& program);
[[nodiscard]] Command add_replay(CLI::App& program);
[[nodiscard]] Command add_inspect(CLI::App& program);
[[nodiscard]] Command add_workload(CLI::App& program);
[[nodiscard]] Command add_peers(CLI::App& program);
[[nodiscard]] Command add_compare(CLI::App& program);
[[nodiscard]] Command add_scale(CLI::App& program);
[[nodiscard]] Command add_mapping(CLI::App& program);
[[nodiscard]] std::vector<Command> add_golden(CLI::App& program);
[[nodiscard]] Command add_experiment(CLI::App& program);
[[nodiscard]] std::vector<Command> add_kernel(CLI::App& program);
[[nodiscard]] std::vector<Command> add_fuzz(CLI::App& program);
/// Of all of `program`, which must outlive what is returned.
[[nodiscard]] std::vector<Command> add_manual(CLI::App& program);

}  // namespace kmemlab::cli

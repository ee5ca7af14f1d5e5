/// kmemlab: the command line. Status 0: done; 1: an allocator broke a law, differs from a kernel, or is
/// slower where that was asked; 2: the input cannot be used, told in one line; 130: interrupted.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <new>

#include "allocators/base/check.hpp"
#include "bench/cli/command.hpp"
#include "bench/cli/output.hpp"
#include "bench/measure/environment.hpp"

namespace kmemlab::cli {
namespace {

constexpr const char* description = "A laboratory for Linux's kernel memory allocators in user space";
constexpr const char* examples = R"(
Examples:
  kmemlab list --tunables
  kmemlab trace info recording.trace.zst
  kmemlab replay recording.trace.zst --allocator slub,malloc,buddy --json result.json
  kmemlab replay workload:larson,threads=8 --allocator slub,malloc
  kmemlab inspect recording.trace.zst --allocator slub --cache kmalloc-64
  kmemlab peers --json peers.json
  kmemlab compare before.json after.json
  kmemlab scale --json scale.json
  kmemlab mapping --json mapping.json
  kmemlab golden check tests/golden/linux-6.1-slub/geometry.csv.zst
  kmemlab experiment kmalloc-limits
  kmemlab kernel build --tree ../linux --name patched
  kmemlab fuzz random --target slub --runs 1000
Each command explains itself: kmemlab COMMAND --help)";

/// Help and version are asked for, and printed; everything else that the parser throws is bad usage.
int answer(const CLI::App& program, const CLI::ParseError& error, const std::string& version) {
    if (error.get_name() == "CallForVersion") return print(version + "\n"), exit_good;
    if (error.get_exit_code() != 0) return complain(error.what(), " (see --help)");
    const auto mode =
        error.get_name() == "CallForAllHelp" ? CLI::AppFormatMode::All : CLI::AppFormatMode::Normal;
    // The parser asks the innermost subcommand that was given.
    const CLI::App* asked = &program;
    std::string above;
    for (; !asked->get_subcommands().empty(); asked = asked->get_subcommands().back())
        above += (above.empty() ? "" : " ") + asked->get_name();
    print(asked->help(above, mode));
    return exit_good;
}

int run(int argc, char** argv) {
    CLI::App program{description, "kmemlab"};
    const BuildFacts build = build_facts();
    const std::string version = fmt::format("kmemlab {} ({}, {})", build.version, build.compiler,
                                            build.build_type.empty() ? "no build type" : build.build_type);
    program.set_version_flag("--version", version, "Print the version and exit");
    program.footer(examples);

    std::vector<Command> commands = add_trace(program);
    commands.push_back(add_list(program));
    commands.push_back(add_replay(program));
    commands.push_back(add_inspect(program));
    commands.push_back(add_workload(program));
    commands.push_back(add_peers(program));
    commands.push_back(add_compare(program));
    commands.push_back(add_scale(program));
    commands.push_back(add_mapping(program));
    for (Command& command : add_golden(program)) commands.push_back(std::move(command));
    commands.push_back(add_experiment(program));
    for (Command& command : add_kernel(program)) commands.push_back(std::move(command));
    for (Command& command : add_fuzz(program)) commands.push_back(std::move(command));
    for (Command& command : add_manual(program)) commands.push_back(std::move(command));
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return answer(program, error, version);
    }
    const std::vector<std::string> arguments{argv, argv + argc};
    const Invocation invocation{command_line(arguments), argv};
    for (const Command& command : commands) {
        if (command.app->parsed()) return command.run(invocation);
    }
    return complain(
        "expected a command: list, trace info, trace pack, replay, inspect, workload list, peers, compare, "
        "scale, mapping, golden check, golden make, experiment, kernel, fuzz (see --help)");
}

}  // namespace
}  // namespace kmemlab::cli

int main(int argc, char** argv) {
    try {
        return kmemlab::cli::run(argc, argv);
    } catch (const std::bad_alloc&) {
        return kmemlab::cli::complain("this machine has not enough memory for that");
    } catch (const std::exception& error) {
        return kmemlab::cli::complain(error.what());
    }
}

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "bench/cli/command.hpp"
#include "bench/cli/manual.hpp"
#include "bench/cli/output.hpp"
#include "bench/measure/environment.hpp"

namespace kmemlab::cli {

std::vector<Command> add_manual(CLI::App& program) {
    CLI::App* const page = program.add_subcommand("man-page", "The manual page of this program, as troff");
    page->footer("\nExample:\n  kmemlab man-page | man -l -");
    auto shell = std::make_shared<std::string>();
    CLI::App* const script =
        program.add_subcommand("completion", "A script by which a shell completes commands");
    script->add_option("SHELL", *shell, "For which")
        ->required()
        ->check(CLI::IsMember(std::vector<std::string>{shell_names.begin(), shell_names.end()}));
    script->footer("\nExamples:\n  source <(kmemlab completion bash)\n  kmemlab completion fish | source");
    return {{page,
             [&program](const Invocation&) {
                 print(man_page(program, fmt::format("kmemlab {}", build_facts().version)));
                 return exit_good;
             }},
            {script, [&program, shell](const Invocation&) {
                 const auto found = std::find(shell_names.begin(), shell_names.end(), *shell);
                 print(completion(program, static_cast<Shell>(found - shell_names.begin())));
                 return exit_good;
             }}};
}

}  // namespace kmemlab::cli

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/cli/command.hpp"
#include "bench/cli/output.hpp"
#include "bench/golden/check.hpp"

namespace kmemlab::cli {
namespace {

/// The file's verdict; nothing, after a complaint, if the file cannot be used.
std::optional<golden::Verdict> verdict_on(const std::string& name) {
    try {
        return golden::check(golden::GoldenFile::read(name));
    } catch (const UsageError& error) {
        complain(error.what());
        return std::nullopt;
    }
}

std::string text_of(const std::string& name, const golden::Verdict& verdict) {
    if (!verdict.skipped.empty()) return fmt::format("SKIP {} {}\n", name, verdict.skipped);
    if (verdict.difference) {
        const golden::Difference& d = *verdict.difference;
        return fmt::format("DIFF {} row={}\n  expected {}\n  found    {}\n", name, d.row, d.expected,
                           d.found);
    }
    const std::string note = verdict.note.empty() ? "" : fmt::format(" ({})", verdict.note);
    return fmt::format("OK {} rows={}{}\n", name, verdict.rows, note);
}

/// The status that the file calls for.
int check_file(const std::string& name) {
    const std::optional<golden::Verdict> verdict = verdict_on(name);
    if (!verdict) return exit_usage;
    print(text_of(name, *verdict));
    return verdict->difference ? exit_found_fault : exit_good;
}

int check_all(const std::vector<std::string>& files) {
    int status = exit_good;
    for (const std::string& file : files) status = std::max(status, check_file(file));
    return status;
}

constexpr const char* check_footer = R"(
For each file one line:
  OK FILE rows=N        all N rows agree; behind it what was inferred about the kernel
  DIFF FILE row=N       the first that differs, as line of the decompressed file, and both answers
  SKIP FILE reason      no model for this format yet; timings are never compared
A file that cannot be used is told on standard error, and the others are still checked.
Exit status: 0 no difference, 1 a difference, 2 a file that cannot be used.

Formats, and how to record files of your own kernel: tests/golden/README.md.
The answers are those of the models with the file's own parameters: allocator, CPUs, size, flags, seed, state.

Examples:
  kmemlab golden check tests/golden/*/*
  zstdcat trace.csv.zst | kmemlab golden check -)";

}  // namespace

Command add_golden(CLI::App& program) {
    CLI::App* app = program.add_subcommand("golden", "Compare the models with what real kernels did");
    app->footer("\nExample:\n  kmemlab golden check tests/golden/linux-6.1-slub/geometry.csv.zst");
    auto files = std::make_shared<std::vector<std::string>>();
    CLI::App* check =
        app->add_subcommand("check", "Ask the models what a kernel was asked, compare each answer");
    check
        ->add_option("FILE", *files,
                     "Golden data, plain or compressed by zstd or gzip; - reads standard input")
        ->required();
    check->footer(check_footer);
    return {check, [files](const Invocation&) { return check_all(*files); }};
}

}  // namespace kmemlab::cli

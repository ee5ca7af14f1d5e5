#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "allocators/base/tunable.hpp"
#include "bench/cli/command.hpp"
#include "bench/cli/output.hpp"
#include "bench/cli/terminal.hpp"
#include "bench/golden/check.hpp"
#include "bench/golden/make.hpp"
#include "bench/measure/result_file.hpp"

namespace kmemlab::cli {
namespace {

/// The file's verdict; nothing, after a complaint, if the file cannot be used.
std::optional<golden::Verdict> verdict_on(const std::string& name, golden::Extent extent) {
    try {
        return golden::check(golden::GoldenFile::read(name), golden::Context::owned, extent);
    } catch (const UsageError& error) {
        complain(error.what());
        return std::nullopt;
    }
}

/// Of all rows, those that were compared and agree.
std::string share_text(const golden::Verdict& verdict) {
    const std::uint64_t agree = verdict.rows - verdict.differing;
    const double percent = 100.0 * static_cast<double>(agree) / static_cast<double>(verdict.all);
    return fmt::format(" agree={} of={} ({:.2f} %)", agree, verdict.all, percent);
}

std::string text_of(const std::string& name, const golden::Verdict& verdict, golden::Extent extent) {
    if (!verdict.skipped.empty()) return fmt::format("SKIP {} {}\n", name, verdict.skipped);
    if (verdict.difference) {
        const golden::Difference& d = *verdict.difference;
        return fmt::format("DIFF {} row={}{}\n  expected {}\n  found    {}\n", name, d.row,
                           extent == golden::Extent::everything ? share_text(verdict) : "", d.expected,
                           d.found);
    }
    const std::string note = verdict.note.empty() ? "" : fmt::format(" ({})", verdict.note);
    return fmt::format("OK {} rows={}{}\n", name, verdict.rows, note);
}

/// The status that the file calls for.
int check_file(const std::string& name, golden::Extent extent) {
    const std::optional<golden::Verdict> verdict = verdict_on(name, extent);
    if (!verdict) return exit_usage;
    print(text_of(name, *verdict, extent));
    return verdict->difference ? exit_found_fault : exit_good;
}

int check_all(const std::vector<std::string>& files, bool everything) {
    const auto extent = everything ? golden::Extent::everything : golden::Extent::to_first_difference;
    int status = exit_good;
    for (const std::string& file : files) status = std::max(status, check_file(file, extent));
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

struct MakeOptions {
    std::string kernel;
    std::string folder;
    std::string memory = "1G";
    unsigned cpus = 4;
    std::vector<std::string> experiments;
};

std::vector<golden::Experiment> experiments_of(const MakeOptions& options, const guests::Kernel& kernel) {
    if (options.experiments.empty()) return golden::public_experiments(kernel);
    std::size_t memory = 0;
    if (!parse_bytes(options.memory, memory))
        throw UsageError::of("--memory: expected an amount as 192M, found '{}'", options.memory);
    std::vector<golden::Experiment> list;
    for (const std::string& command : options.experiments)
        list.push_back(golden::experiment_of(command, memory, options.cpus));
    return list;
}

int make_all(const MakeOptions& options) {
    const guests::Kernel kernel = guests::find_kernel(options.kernel);
    const std::filesystem::path folder = options.folder.empty() ? kernel.name : options.folder;
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) throw UsageError::of("cannot write {}: {}", folder.string(), error.message());
    const auto experiments = experiments_of(options, kernel);
    catch_interrupts();
    ProgressLine progress;
    for (std::size_t i = 0; i < experiments.size(); ++i) {
        progress.show(experiments[i].file, i, experiments.size());
        const std::string text = golden::ask(kernel, experiments[i]);
        if (interrupted()) return exit_interrupted;
        const std::string file = (folder / experiments[i].file).string();
        write_result(file, text);
        progress.clear();
        print(fmt::format("{} rows={}\n", file, golden::rows_of(text)));
    }
    return exit_good;
}

constexpr const char* make_footer = R"(
Without EXPERIMENT those that tests/golden holds of such kernels. An experiment is named by its words, with any
size, number of operations and seed; each has a boot of its own:
  slabtrace SIZE NOPS SEED        bulktrace SIZE NOPS SEED
  buddytrace all|nopcp|hi NOPS SEED CAP_PAGES
  vmalloctrace NOPS SEED          alignvm NOPS SEED
  geometry   kmalloc   info       reap|reap0|reapsleep SIZE LOAD SEED CALLS (SLAB)
Of a kernel for several CPUs (kernel build --smp), POLICY being local, random, prodcons or pingpong:
  slabtrace SIZE POLICY NOPS SEED   buddytrace all|nopcp|hi|atomic POLICY NOPS SEED CAP_PAGES
  vmalloctrace NOPS SEED            stacktrace NOPS SEED   geometry   info

Examples:
  kmemlab golden make --kernel slub-6.1.192 --out golden
  kmemlab golden make --kernel patched 'slabtrace 64 5000 0x99'
  kmemlab golden check patched/*)";

Command add_make(CLI::App& golden) {
    auto options = std::make_shared<MakeOptions>();
    CLI::App* app =
        golden.add_subcommand("make", "Ask a kernel of `kmemlab kernel build`, and write down what it does");
    app->add_option("--kernel", options->kernel, "Name of the kernel")->required();
    app->add_option("--out", options->folder, "Folder of the files (default: the kernel's name)");
    app->add_option("--memory", options->memory, "Of the machine that experiments of one's own run on")
        ->capture_default_str();
    app->add_option("--cpus", options->cpus, "The same, of a kernel for several")
        ->check(CLI::Range(2U, 8U))
        ->capture_default_str();
    app->add_option("EXPERIMENT", options->experiments, "What to do, in one word of the shell");
    app->footer(make_footer);
    return {app, [options](const Invocation&) { return make_all(*options); }};
}

}  // namespace

std::vector<Command> add_golden(CLI::App& program) {
    CLI::App* app = program.add_subcommand("golden", "Compare the models with what real kernels did");
    app->footer("\nExample:\n  kmemlab golden check tests/golden/linux-6.1-slub/geometry.csv.zst");
    auto files = std::make_shared<std::vector<std::string>>();
    CLI::App* check =
        app->add_subcommand("check", "Ask the models what a kernel was asked, compare each answer");
    check
        ->add_option("FILE", *files,
                     "Golden data, plain or compressed by zstd or gzip; - reads standard input")
        ->required();
    auto all = std::make_shared<bool>(false);
    check->add_flag("--all", *all,
                    "Go on behind a difference, and count the rows that agree: at least so many do, for "
                    "the model's state is another one from there on");
    check->footer(check_footer);
    return {{check, [files, all](const Invocation&) { return check_all(*files, *all); }}, add_make(*app)};
}

}  // namespace kmemlab::cli

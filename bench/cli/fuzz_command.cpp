// kmemlab fuzz: programs of the fuzzers without a fuzzer: run, print, reproduce, reduce, sweep.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "bench/cli/command.hpp"
#include "bench/cli/output.hpp"
#include "bench/cli/terminal.hpp"
#include "bench/measure/result_file.hpp"
#include "fuzz/machines/threaded_run.hpp"
#include "fuzz/program/mutator.hpp"
#include "fuzz/reduce/isolated.hpp"
#include "fuzz/reduce/reducer.hpp"
#include "fuzz/reduce/sweep.hpp"
#include "fuzz/reduce/test_text.hpp"

namespace kmemlab::cli {
namespace {

using fuzz::Program;
using fuzz::Target;

struct FuzzOptions {
    std::string target;
    std::vector<std::string> files;
    std::string out;
    std::string test;
    std::uint64_t seed = 1;
    std::uint64_t runs = 10000;
    bool threads = false;
};

std::string read_file(const std::string& name) {
    std::ifstream file{name, std::ios::binary};
    if (!file || std::filesystem::is_directory(name)) throw UsageError::of("{}: cannot be read", name);
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::span<const std::uint8_t> bytes_of(const std::string& content) {
    return {reinterpret_cast<const std::uint8_t*>(content.data()), content.size()};
}

/// A text has nothing but characters that people see; a program as bytes hardly ever.
bool is_text(const std::string& content) {
    return !content.empty() && std::all_of(content.begin(), content.end(), [](char c) {
        return (c >= ' ' && c <= '~') || c == '\n' || c == '\t' || c == '\r';
    });
}

/// What --target says, or the text's first line.
const Target& target_of(const FuzzOptions& options, const std::string& name, const std::string& content) {
    if (!options.target.empty()) return fuzz::find_target(options.target);
    if (!is_text(content))
        throw UsageError::of("{}: not the text of a program; name its target by --target", name);
    return fuzz::find_target(fuzz::target_of(content, name));
}

Program program_of(const Target& target, const std::string& name, const std::string& content) {
    return is_text(content) ? fuzz::parse(content, target.language, name)
                            : fuzz::decode(bytes_of(content), target.language);
}

struct Input {
    const Target* target;
    Program program;
};

Input read_program(const FuzzOptions& options, const std::string& name) {
    const std::string content = read_file(name);
    const Target& target = target_of(options, name, content);
    if (!target.has_programs()) throw UsageError::of("{}: {} takes bytes, not programs", name, target.name);
    return {&target, program_of(target, name, content)};
}

/// Files, and those in folders, by name.
std::vector<std::string> all_files(const std::vector<std::string>& names) {
    std::vector<std::string> files;
    for (const std::string& name : names) {
        if (!std::filesystem::is_directory(name)) {
            files.push_back(name);
            continue;
        }
        std::vector<std::string> inside;
        for (const auto& entry : std::filesystem::recursive_directory_iterator{name}) {
            if (entry.is_regular_file()) inside.push_back(entry.path().string());
        }
        std::sort(inside.begin(), inside.end());
        files.insert(files.end(), inside.begin(), inside.end());
    }
    return files;
}

int list_targets() {
    std::string text;
    for (const Target& target : fuzz::all_targets())
        text += fmt::format("{:<18}{}\n", target.name, target.what);
    print(text);
    return exit_good;
}

fuzz::MaybeFinding run_file(const FuzzOptions& options, const std::string& name) {
    const std::string content = read_file(name);
    const Target& target = target_of(options, name, content);
    if (!target.has_programs()) return target.read(bytes_of(content));
    if (options.threads && !target.threaded.empty())
        return fuzz::run_threaded(target.threaded, program_of(target, name, content), target.language);
    return fuzz::run(target.make, program_of(target, name, content), target.language);
}

int run_files(const FuzzOptions& options) {
    catch_interrupts();
    ProgressLine progress;
    const auto files = all_files(options.files);
    std::size_t broken = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (interrupted()) return exit_interrupted;
        progress.show("inputs", i, files.size());
        if (const auto found = run_file(options, files[i])) {
            progress.clear();
            print(fmt::format("{}: {}: {}\n", files[i], found->law, found->what));
            ++broken;
        }
    }
    progress.clear();
    print(fmt::format("{} inputs, {} break a law\n", files.size(), broken));
    return broken > 0 ? exit_found_fault : exit_good;
}

int print_programs(const FuzzOptions& options) {
    for (const std::string& name : options.files) {
        const std::string content = read_file(name);
        const Target& target = target_of(options, name, content);
        if (target.print) {
            print(target.print(bytes_of(content)) + '\n');
            continue;
        }
        const Input input = read_program(options, name);
        print(fuzz::to_text(input.program, input.target->language));
    }
    return exit_good;
}

/// Step by step: what is to be done, and what callers have then.
int reproduce(const FuzzOptions& options) {
    const Input input = read_program(options, options.files.at(0));
    const auto& operations = input.program.operations;
    const fuzz::Observer tell = [&](const fuzz::Machine& machine, std::size_t i, unsigned depth) {
        print(fmt::format("{}{:>{}}: {}\n", machine.describe(), i, 4 + 4 * depth,
                          fuzz::to_text(operations[i])));
    };
    const auto found = fuzz::run(input.target->make, input.program, input.target->language, tell);
    if (!found) {
        print("no law is broken\n");
        return exit_good;
    }
    print(fmt::format("{}: {}\n", found->law, found->what));
    return exit_found_fault;
}

void write(const std::string& name, const std::string& text) {
    if (!name.empty()) write_result(name, text);
}

int reduce(const FuzzOptions& options) {
    catch_interrupts();
    const Input input = read_program(options, options.files.at(0));
    const auto found = fuzz::run_isolated(*input.target, input.program);
    if (!found) throw UsageError::of("{}: breaks no law", options.files[0]);
    const fuzz::Trial trial = [&](const Program& program) -> fuzz::MaybeFinding {
        if (interrupted()) return {};
        return fuzz::run_isolated(*input.target, program);
    };
    const fuzz::Reduction best = fuzz::reduce(input.program, *found, trial);
    const std::string text = fuzz::to_text(best.program, input.target->language);
    print(fmt::format("# {}: {}\n# {} operations of {}, {} trials\n{}", best.finding.law, best.finding.what,
                      best.program.operations.size(), input.program.operations.size(), best.trials, text));
    write(options.out, text);
    write(options.test, fuzz::test_text(*input.target, best.program, best.finding));
    return exit_found_fault;
}

int sweep(const FuzzOptions& options) {
    catch_interrupts();
    ProgressLine progress;
    const auto files = all_files(options.files);
    std::size_t runs = 0;
    std::size_t broken = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (interrupted()) return exit_interrupted;
        progress.show("inputs", i, files.size());
        const Input input = read_program(options, files[i]);
        const fuzz::Sweep result = fuzz::sweep(*input.target, input.program);
        runs += result.runs;
        if (!result.finding) continue;
        progress.clear();
        print(
            fmt::format("# {}\n{}", files[i], fuzz::report(*input.target, *result.broken, *result.finding)));
        ++broken;
    }
    progress.clear();
    print(fmt::format("{} inputs, {} runs, {} break a law\n", files.size(), runs, broken));
    return broken > 0 ? exit_found_fault : exit_good;
}

/// Programs from nothing but a seed: what a machine without clang can do.
int run_random(const FuzzOptions& options) {
    catch_interrupts();
    ProgressLine progress;
    const Target& target = fuzz::find_target(options.target);
    if (!target.has_programs()) throw UsageError::of("{} takes bytes, not programs", target.name);
    fuzz::Random random{options.seed};
    std::uint64_t operations = 0;
    for (std::uint64_t i = 0; i < options.runs; ++i) {
        if (interrupted()) return exit_interrupted;
        if (i % 64 == 0) progress.show("programs", i, options.runs);
        const Program program = fuzz::random_program(target.language, random, 1 + random.below(200));
        operations += program.operations.size();
        const auto found = fuzz::run(target.make, program, target.language);
        if (!found) continue;
        progress.clear();
        write(options.out, fuzz::to_text(program, target.language));
        print(fmt::format("# program {} of seed {}\n{}", i, options.seed,
                          fuzz::report(target, program, *found)));
        return exit_found_fault;
    }
    progress.clear();
    print(fmt::format("{} programs, {} operations, no law is broken\n", options.runs, operations));
    return exit_good;
}

constexpr const char* footer = R"(
A program is the input of a fuzzer: bytes, as libFuzzer keeps them, or text (docs/fuzzing.md). A text names its
target; with bytes it is named by --target.

Examples:
  kmemlab fuzz list
  kmemlab fuzz run --target slub fuzz/corpus/slub
  kmemlab fuzz print --target slub fuzz/corpus/slub/FILE
  kmemlab fuzz reproduce program.txt
  kmemlab fuzz reduce program.txt --output small.txt --test finding.cpp
  kmemlab fuzz random --target slub --seed 1 --runs 10000
Exit status: 0 no law is broken, 1 one is, 2 bad input.)";

}  // namespace

std::vector<Command> add_fuzz(CLI::App& program) {
    auto options = std::make_shared<FuzzOptions>();
    CLI::App* const app =
        program.add_subcommand("fuzz", "Programs that the fuzzers run: replay, reduce, print");
    app->footer(footer);
    app->require_subcommand(1);
    std::vector<Command> commands;
    const auto add = [&](const char* name, const char* what, auto run, bool files) {
        CLI::App* const sub = app->add_subcommand(name, what);
        sub->add_option("--target", options->target, "The fuzz target; see kmemlab fuzz list");
        if (files)
            sub->add_option("FILE", options->files, "Programs; of a folder: all files in it")->required();
        commands.push_back({sub, [options, run](const Invocation&) { return run(*options); }});
        return sub;
    };
    CLI::App* const list = app->add_subcommand("list", "The fuzz targets");
    commands.push_back({list, [](const Invocation&) { return list_targets(); }});
    CLI::App* const run = add("run", "Runs inputs one after the other", run_files, true);
    run->add_flag("--threads", options->threads,
                  "Each CPU's operations by a thread of its own, where the target's allocator can");
    add("print", "Programs as text", print_programs, true);
    add("reproduce", "One program step by step, with what callers have before each", reproduce, true);
    add("sweep", "Each program once for each of its requests for pages, which is refused", sweep, true);
    CLI::App* const small = add("reduce", "The least program that breaks the same law", reduce, true);
    small->add_option("-o,--output", options->out, "Where to write it");
    small->add_option("--test", options->test, "Where to write a Catch2 test with it");
    CLI::App* const dice = add("random", "Programs drawn by a seed, without a fuzzer", run_random, false);
    dice->add_option("--seed", options->seed, "Of the draws")->capture_default_str();
    dice->add_option("--runs", options->runs, "Programs at most")->capture_default_str();
    dice->add_option("-o,--output", options->out, "Where to write a program that breaks a law");
    return commands;
}

}  // namespace kmemlab::cli

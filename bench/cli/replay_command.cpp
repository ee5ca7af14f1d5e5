#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>

#include "bench/cli/command.hpp"
#include "bench/cli/input.hpp"
#include "bench/cli/machine_options.hpp"
#include "bench/cli/output.hpp"
#include "bench/cli/partial.hpp"
#include "bench/cli/terminal.hpp"
#include "bench/measure/result_file.hpp"
#include "bench/peers/peer_library.hpp"
#include "bench/replay/models.hpp"
#include "bench/replay/replay.hpp"
#include "bench/replay/report.hpp"

namespace kmemlab::cli {
namespace {

struct ReplayOptions {
    std::string file;
    std::vector<std::string> allocators{"slub", "malloc", "buddy"};
    bool chosen = false;  ///< the allocators are the user's choice
    MachineOptions machine;
    unsigned repetitions = 20;
    std::uint64_t check_every = 1000;
    std::vector<std::string> snapshots;
    std::string snapshot_folder;
    std::string json;
    bool resume = false;
};

/// Sets when snapshots are taken: numbers of operations, or "end".
void set_snapshots(const std::vector<std::string>& wanted, replay::ObserveOptions& observe) {
    for (const std::string& text : wanted) {
        if (text == "end") {
            observe.snapshot_at_end = true;
            continue;
        }
        std::uint64_t operation = 0;
        const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), operation);
        if (error != std::errc{} || rest != text.data() + text.size()) {
            throw UsageError::of("--snapshot: '{}' is neither a number of operations nor 'end'", text);
        }
        observe.snapshots.push_back(operation);
    }
    std::sort(observe.snapshots.begin(), observe.snapshots.end());
}

void refuse_twice(const std::vector<std::string>& names) {
    for (auto name = names.begin(); name != names.end(); ++name) {
        if (std::find(names.begin(), name, *name) != name) {
            throw UsageError::of("--allocator: {} is named twice", *name);
        }
    }
}

/// "slub-1000-proc_slabinfo": what, when, and which of the kernel's files.
std::string snapshot_name(const std::string& allocator, std::uint64_t operation, std::string text) {
    std::replace(text.begin(), text.end(), '/', '_');
    return fmt::format("{}-{}-{}", allocator, operation, text);
}

void write_snapshots(const replay::Result& result, const std::string& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) throw UsageError::of("cannot write {}: {}", folder, error.message());
    for (const auto& allocator : result.allocators) {
        for (const auto& snapshot : allocator.observed.snapshots) {
            for (const Text& text : snapshot.texts) {
                const auto name = snapshot_name(allocator.name, snapshot.operation, text.name);
                write_result((std::filesystem::path{folder} / name).string(), text.content);
            }
        }
    }
}

replay::Options replay_options(const ReplayOptions& options, ProgressLine& line) {
    replay::Options how;
    how.allocators = options.allocators;
    how.settings = options.machine.settings();
    how.repetitions = options.repetitions;
    how.observe.check_every = options.check_every;
    set_snapshots(options.snapshots, how.observe);
    how.progress = [&](const replay::Stage& stage) { line.show(stage.what, stage.done, stage.total); };
    how.interrupted = interrupted;
    refuse_twice(how.allocators);
    // Before the trace is read, which may take a while.
    replay::check_replay_settings(how.settings, how.allocators);
    return how;
}

/// Peers are loaded before anything is read from a pipe: a restart would read it again.
void make_room_for_peers(const std::vector<std::string>& names, char** argv) {
    for (const std::string& name : names) {
        if (peers::lacks_static_tls({peers::load_peer(name)})) peers::restart_with_static_tls(argv);
    }
}

/// Of the usual allocators, if the user did not choose, only those that the trace has something for; all if
/// it has for none, which is then told.
void keep_fitting(std::vector<std::string>& names, const trace::Trace& trace) {
    const auto fits = [&](const std::string& name) {
        // None of them replays stacks, so a part is a layer.
        return trace.slots(static_cast<trace::Layer>(replay::part_of(name))) != 0;
    };
    if (std::none_of(names.begin(), names.end(), fits)) return;
    std::erase_if(names, [&](const std::string& name) { return !fits(name); });
}

/// What an interrupted run of the same command measured; nothing if there was none.
replay::Repetitions left_over(const Partial& partial) {
    const std::optional<Json> kept = partial.read();
    if (!kept) return {};
    try {
        return replay::repetitions_of(kept->at("repetitions"));
    } catch (const std::exception& error) {
        throw UsageError::of("{}: expected what an interrupted replay measured: {}", partial.name(),
                             error.what());
    }
}

/// Keeps what was measured and tells how to go on; without a file it is printed.
int end_interrupted(const replay::Result& result, const trace::Trace& trace, const ReplayOptions& options,
                    const std::string& command) {
    if (result.measured.count == 0) {
        complain("interrupted before a repetition was whole");
        return exit_interrupted;
    }
    if (options.json.empty()) {
        print(replay::to_text(result, trace));
        complain(fmt::format("interrupted after {} of {} repetitions", result.measured.count,
                             options.repetitions));
        return exit_interrupted;
    }
    Json kept = replay::to_json(result, trace, options.file, command);
    kept["repetitions"] = replay::to_json(result.measured);
    Partial{options.json}.keep(kept, result.measured.count, options.repetitions);
    return exit_interrupted;
}

int run_replay(const ReplayOptions& options, const Invocation& invocation) {
    ProgressLine line;
    replay::Options how = replay_options(options, line);
    make_room_for_peers(how.allocators, invocation.argv);
    const Partial partial{options.json};
    if (options.resume) how.before = left_over(partial);
    const trace::Trace trace = read_input(options.file);
    if (!options.chosen) keep_fitting(how.allocators, trace);
    // Until here an interrupt ends the program at once; from here on there is something to clean up.
    catch_interrupts();
    std::optional<ResultFile> file;
    if (!options.json.empty()) file.emplace(options.json);
    const replay::Result result = replay::replay(trace, how);
    line.clear();
    if (result.interrupted) return end_interrupted(result, trace, options, invocation.command);
    if (!options.snapshot_folder.empty()) write_snapshots(result, options.snapshot_folder);
    deliver(file, replay::to_json(result, trace, options.file, invocation.command).dump() + "\n",
            replay::to_text(result, trace));
    partial.remove();
    return result.found_violation() ? exit_found_fault : exit_good;
}

constexpr const char* examples = R"(
Examples:
  kmemlab replay recording.trace.zst --allocator slub,malloc --json result.json
  kmemlab replay recording.kmt --allocator buddy --arena 512M --snapshot 1000,end --snapshot-dir texts
  kmemlab replay recording.kmt --allocator slub --set slub.cpu_partial=0 --repetitions 30
  kmemlab replay workload:larson,threads=8,seed=3 --allocator slub,slab,malloc)";

}  // namespace

Command add_replay(CLI::App& program) {
    auto options = std::make_shared<ReplayOptions>();
    CLI::App* app = program.add_subcommand("replay", "Drive allocators with what a real kernel did");
    app->add_option("TRACE", options->file, input_help)->required();
    app->add_option("--allocator", options->allocators,
                    "Who is driven, names of `kmemlab list`, or jemalloc, mimalloc, tcmalloc")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->capture_default_str();
    add_machine_options(*app, options->machine);
    app->add_option("--repetitions", options->repetitions, "Measured passes; 0: only observe")
        ->check(CLI::Range(0U, 10000U))
        ->capture_default_str();
    app->add_option("--check-every", options->check_every,
                    "Operations between two walks over everything; 0: only at the end")
        ->capture_default_str();
    app->add_option("--snapshot", options->snapshots,
                    "After how many operations of a layer, or `end`, to take the kernel's text files")
        ->delimiter(',')
        ->allow_extra_args(false);
    app->add_option("--snapshot-dir", options->snapshot_folder, "Write them as files into this folder too");
    app->add_option("--json", options->json, "Write everything to this file");
    app->add_flag("--resume", options->resume, Partial::resume_help);
    app->footer(examples);
    return {app, [app, options](const Invocation& invocation) {
                options->chosen = app->count("--allocator") != 0;
                return run_replay(*options, invocation);
            }};
}

}  // namespace kmemlab::cli

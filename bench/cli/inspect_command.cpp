// kmemlab inspect: what an allocator has become at one operation of a trace, as text or as a film.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/contract/registry.hpp"
#include "bench/cli/command.hpp"
#include "bench/cli/input.hpp"
#include "bench/cli/machine_options.hpp"
#include "bench/cli/output.hpp"
#include "bench/cli/plots.hpp"
#include "bench/cli/terminal.hpp"
#include "bench/inspect/film.hpp"
#include "bench/inspect/inspection.hpp"
#include "bench/measure/result_file.hpp"
#include "bench/replay/replay.hpp"

namespace kmemlab::cli {
namespace {

constexpr std::uint64_t usual_frames = 100;

struct InspectOptions {
    std::string file;
    std::string allocator = "slub";
    MachineOptions machine;
    std::optional<std::uint64_t> at;
    std::string cache;
    std::string movie;
    std::string frames_json;
    std::optional<std::uint64_t> frames;
    [[nodiscard]] bool films() const { return !movie.empty() || !frames_json.empty(); }
};

std::vector<Setting> settings_of(const InspectOptions& options) {
    std::vector<Setting> settings = options.machine.settings();
    // Only then SLOB knows where the objects of a cache are. It decides nothing.
    if (options.allocator == "slob") settings.insert(settings.begin(), {"slob.track", "1"});
    return settings;
}

/// What can be told before the trace is read.
void check(const InspectOptions& options, const std::vector<Setting>& settings) {
    inspect::check_inspectable(options.allocator, settings);
    const bool drawable =
        options.movie.empty() || options.movie.ends_with(".gif") || options.movie.ends_with(".png");
    if (!drawable)
        throw UsageError::of("--movie {}: expected a name that ends in .gif or .png", options.movie);
    if (options.frames && !options.films()) throw UsageError("--frames is for --movie and --frames-json");
    if (!options.cache.empty() && options.films())
        throw UsageError("--cache is for the text, without --movie and --frames-json");
}

std::uint64_t last_operation(const InspectOptions& options, const replay::Workload& work) {
    const std::uint64_t all = work.operations.size();
    if (options.at.value_or(all) > all)
        throw UsageError::of("--at {}: the trace has {} operations of {}", *options.at, all,
                             to_string(work.part));
    return options.at.value_or(all);
}

/// "slub after operation 500 of 1000 (objects) of forkstorm"
std::string title(const InspectOptions& options, const inspect::Inspection& inspection,
                  const std::string& trace) {
    std::string text =
        fmt::format("{} after {} of {} operations ({}) of {}\n", options.allocator, inspection.done(),
                    inspection.work().operations.size(), to_string(inspection.work().part), trace);
    if (inspection.failures() != 0)
        text += fmt::format("{} allocations got nothing: a larger --arena has room for them\n",
                            inspection.failures());
    return text + "\n";
}

int write_film(const InspectOptions& options, inspect::Inspection& inspection, std::uint64_t last,
               const trace::Trace& trace, std::span<const Setting> settings, const Invocation& invocation) {
    const std::uint64_t frames = options.frames.value_or(std::min(usual_frames, last + 1));
    const std::vector<std::uint64_t> moments = inspect::moments(last, frames);
    std::vector<std::string> words =
        options.movie.empty() ? std::vector<std::string>{} : plots_words("movie");
    std::optional<ResultFile> file;
    if (!options.frames_json.empty()) file.emplace(options.frames_json);
    ProgressLine line;
    const inspect::Film film = inspect::film(
        inspection, moments,
        {[&](std::uint64_t done, std::uint64_t total) { line.show("replay", done, total); }, interrupted});
    line.clear();
    if (film.frames.empty()) return exit_interrupted;
    std::vector<Setting> tunables;
    for (const TunableValue& tunable : tunables_of(options.allocator, settings))
        tunables.push_back({tunable.key, tunable.value});
    const Json json{{"context", context(invocation.command, tunables)},
                    {"movie", to_json(film, inspection, options.allocator, trace.name)}};
    const std::string text = json.dump() + "\n";
    if (file) file->commit(text);
    if (options.movie.empty()) return exit_good;
    words.push_back("--output=" + options.movie);
    words.emplace_back("--");
    words.push_back(file ? options.frames_json : in_memory("frames", text));
    return run_python(std::move(words));
}

int run_inspect(const InspectOptions& options, const Invocation& invocation) {
    std::vector<Setting> settings = settings_of(options);
    check(options, settings);
    const trace::Trace trace = read_input(options.file);
    settings = replay::with_cpus(std::move(settings), trace.cpus);
    const auto inspection = inspect::open_inspection(options.allocator, settings, trace);
    const std::uint64_t last = last_operation(options, inspection->work());
    if (options.films()) {
        catch_interrupts();
        return write_film(options, *inspection, last, trace, settings, invocation);
    }
    inspection->advance(last);
    const std::string text = options.cache.empty() ? inspection->list() : inspection->show(options.cache);
    print(title(options, *inspection, trace.name) + text);
    return exit_good;
}

constexpr const char* help_footer = R"(
Without --cache: the caches to choose from; of buddy its lists and a map. Operations are counted as replay
counts them: those of the layer that the allocator replays. Nothing is checked or measured.

Examples:
  kmemlab inspect recording.trace.zst --allocator slub
  kmemlab inspect recording.trace.zst --allocator slab --at 5000 --cache kmalloc-64
  kmemlab inspect recording.trace.zst --allocator buddy --arena 64M --at 2000
  kmemlab inspect recording.trace.zst --allocator slub --arena 64M --movie memory.gif --frames 60)";

}  // namespace

Command add_inspect(CLI::App& program) {
    auto options = std::make_shared<InspectOptions>();
    CLI::App* app = program.add_subcommand("inspect", "Slabs, lists and pages at one operation of a trace");
    app->add_option("TRACE", options->file, input_help)->required();
    app->add_option("--allocator", options->allocator,
                    "Whom to look into: one that stands on our page allocator")
        ->capture_default_str();
    app->add_option("--at", options->at, "After how many operations to look (default: all)");
    app->add_option("--cache", options->cache, "Draw the slabs and lists of this cache");
    add_machine_options(*app, options->machine);
    app->add_option(
        "--movie", options->movie,
        "Draw all pages by their owners, from the begin on: a name that ends in .gif, or .png for the "
        "last moment");
    app->add_option("--frames", options->frames,
                    fmt::format("Moments of the movie (default: {}, or all)", usual_frames))
        ->check(CLI::Range(1U, 1000U));
    app->add_option("--frames-json", options->frames_json, "Write what the movie is drawn from to this file");
    app->footer(help_footer);
    return {app, [options](const Invocation& invocation) { return run_inspect(*options, invocation); }};
}

}  // namespace kmemlab::cli

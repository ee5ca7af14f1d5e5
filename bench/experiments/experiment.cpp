#include "bench/experiments/experiment.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "allocators/base/check.hpp"
#include "bench/experiments/experiments.hpp"

namespace kmemlab::experiments {
namespace {

constexpr std::array table{
    Experiment{"kmalloc-limits", "the largest object that kmalloc gives, by doubling", "", kmalloc_limits},
    Experiment{"vmalloc-limits", "the largest area that vmalloc gives, by doubling", "", vmalloc_limits},
    Experiment{"stack-location", "where a kernel stack lies, by version of the kernel", "", stack_location},
    Experiment{"buddy-order3", "a block of eight pages, written and read", "", buddy_order3},
    Experiment{"object-cache", "two objects of a cache for 16 bytes", "", object_cache},
    Experiment{"struct-page-overhead", "memory that page descriptors take", "", struct_page_overhead},
    Experiment{"zones", "which zone a request gets, and where it falls back", "", zones},
    Experiment{"per-cpu", "a slot for each CPU: no lock, no bouncing cache line", "", per_cpu},
    Experiment{"kstack-usage", "how deep kernel stacks are used",
               "a histogram like `grep kstack /proc/vmstat` prints it; without it the published one",
               kstack_usage},
    Experiment{"dynamic-kstack", "what stacks save that grow on demand", "a histogram as for kstack-usage",
               dynamic_kstack},
    Experiment{"frame-sizes", "the largest stack frames of a program",
               "a binary, a .su file of -fstack-usage, or a folder of such; without it this program",
               frame_sizes},
};

/// Each line of `text` behind two spaces.
std::string indented(std::string_view text) {
    std::string lines = "  ";
    for (const char c : text) {
        lines += c;
        if (c == '\n') lines += "  ";
    }
    return lines + '\n';
}

std::string verdict(const Finding& finding) {
    if (finding.expected.empty()) return "";
    return finding.met ? "as expected" : fmt::format("NOT AS EXPECTED: {}", finding.expected);
}

}  // namespace

void Outcome::expect_between(std::string what, double value, double low, double high, std::string_view unit,
                             int digits) {
    const auto number = [&](double x) { return with_unit(fmt::format("{:.{}f}", x, digits), unit); };
    expect(std::move(what), number(value), fmt::format("{} to {}", number(low), number(high)),
           low <= value && value <= high);
}

const Finding* Outcome::find(std::string_view what) const {
    const auto at = std::find_if(findings_.begin(), findings_.end(),
                                 [&](const Finding& finding) { return finding.what == what; });
    return at == findings_.end() ? nullptr : &*at;
}

bool Outcome::as_expected() const {
    return std::all_of(findings_.begin(), findings_.end(),
                       [](const Finding& finding) { return finding.met; });
}

std::span<const Experiment> experiments() {
    return table;
}

const Experiment& find_experiment(std::string_view name) {
    for (const Experiment& experiment : table) {
        if (experiment.name == name) return experiment;
    }
    std::vector<std::string_view> names;
    names.reserve(table.size());
    for (const Experiment& experiment : table) names.push_back(experiment.name);
    throw UsageError::of("no experiment '{}'; there are: {}", name, fmt::join(names, ", "));
}

Outcome run(const Experiment& experiment, const Options& options) {
    if (!options.file.empty() && experiment.file_help.empty())
        throw UsageError::of("experiment {} reads no file", experiment.name);
    return experiment.run(options);
}

std::string to_text(const Experiment& experiment, const Outcome& outcome) {
    std::string text = fmt::format("{}: {}\n\nThe source saw\n{}\nHere\n", experiment.name, experiment.what,
                                   indented(outcome.source()));
    std::size_t width = 0;
    std::size_t value_width = 0;
    for (const Finding& finding : outcome.findings()) {
        width = std::max(width, finding.what.size());
        value_width = std::max(value_width, finding.value.size());
    }
    for (const Finding& finding : outcome.findings()) {
        const std::string line = fmt::format("  {:<{}}  {:<{}}  {}", finding.what, width, finding.value,
                                             value_width, verdict(finding));
        text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
    }
    return text + "\nWhy\n" + indented(outcome.why());
}

}  // namespace kmemlab::experiments

#define XXH_INLINE_ALL
#include "fuzz/targets/target.hpp"

#include <fmt/ranges.h>
#include <xxhash.h>

#include <algorithm>

namespace kmemlab::fuzz {

const std::vector<Target>& all_targets() {
    static const std::vector<Target> targets = [] {
        std::vector<Target> all;
        for (auto family : {object_targets, page_targets, mapping_targets, differential_targets, byte_targets,
                            settings_targets}) {
            for (Target& target : family()) all.push_back(std::move(target));
        }
        return all;
    }();
    return targets;
}

const Target& find_target(std::string_view name) {
    const auto& all = all_targets();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Target& t) { return t.name == name; });
    if (found != all.end()) return *found;
    std::vector<std::string_view> names;
    for (const Target& target : all) names.push_back(target.name);
    throw UsageError::of("no fuzz target {}; there are {}", name, fmt::join(names, ", "));
}

MaybeFinding run_input(const Target& target, std::span<const std::uint8_t> input, const Observer& observer) {
    if (!target.has_programs()) return target.read(input);
    return run(target.make, decode(input, target.language), target.language, observer);
}

std::optional<std::uint64_t> digest(const Target& target, std::span<const std::uint8_t> input) {
    std::uint64_t sum = 0;
    const auto add = [&](std::string_view text) {
        sum = XXH3_64bits_withSeed(text.data(), text.size(), sum);
    };
    if (!target.has_programs()) {
        if (!target.outcome) return {};
        add(target.outcome(input));
        return sum;
    }
    Program program = decode(input, target.language);
    program.operations.push_back({.kind = OpKind::walk});  // before which is seen what the last one left
    const Observer see = [&](const Machine& machine, std::size_t, unsigned depth) {
        if (depth == 0) add(fmt::format("{}{} requests\n", machine.describe(), machine.page_requests()));
    };
    const auto found = run(target.make, program, target.language, see);
    if (found) add(fmt::format("{} {}", found->law, found->operation));
    return sum;
}

std::string report(const Target& target, const Program& program, const Finding& finding) {
    std::string text = fmt::format("{}: {}\n", finding.law, finding.what);
    Program begin = program;
    if (finding.operation < begin.operations.size()) begin.operations.resize(finding.operation + 1);
    return text + to_text(begin, target.language);
}

std::string report(const Target& target, std::span<const std::uint8_t> input, const Finding& finding) {
    if (target.has_programs()) return report(target, decode(input, target.language), finding);
    return fmt::format("{}: {}\ntarget {}\n{}", finding.law, finding.what, target.name,
                       target.print ? target.print(input) : "");
}

}  // namespace kmemlab::fuzz

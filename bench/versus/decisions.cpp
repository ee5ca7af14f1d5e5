#include "bench/versus/decisions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/golden/make.hpp"

namespace kmemlab::versus {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(separator), text.size());
        parts.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

bool is_parameter(std::string_view line) {
    return line.starts_with('#');
}

/// The first line that is no parameter, if it names columns: no name is a number.
std::vector<std::string_view> columns_of(const std::vector<std::string_view>& lines) {
    const auto first = std::find_if_not(lines.begin(), lines.end(), is_parameter);
    if (first == lines.end()) return {};
    std::vector<std::string_view> names = split(*first, ',');
    const auto is_name = [](std::string_view field) {
        return !field.empty() && field.find_first_of("0123456789=-") != 0 &&
               field.find('=') == std::string_view::npos;
    };
    return std::all_of(names.begin(), names.end(), is_name) ? names : std::vector<std::string_view>{};
}

std::string changes(std::string_view before, std::string_view after,
                    const std::vector<std::string_view>& columns) {
    const auto a = split(before, ',');
    const auto b = split(after, ',');
    if (columns.empty() || a.size() != b.size() || a.size() > columns.size()) return {};
    std::string text;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i] == b[i]) continue;
        text += fmt::format("{}{} {} -> {}", text.empty() ? "" : ", ", columns[i], a[i], b[i]);
    }
    return text;
}

std::vector<golden::Experiment> common_experiments(const guests::Kernel& before,
                                                   const guests::Kernel& after) {
    std::vector<golden::Experiment> list = golden::public_experiments(before);
    const std::vector<golden::Experiment> others = golden::public_experiments(after);
    std::erase_if(list, [&](const golden::Experiment& one) {
        const bool sleeps = one.command.starts_with("reapsleep");
        return sleeps || std::none_of(others.begin(), others.end(), [&](const golden::Experiment& other) {
                   return other.file == one.file;
               });
    });
    return list;
}

std::string line_of(const Decision& decision) {
    if (!decision.first) return fmt::format("  same    {:<46} {} rows\n", decision.experiment, decision.rows);
    const Difference& first = *decision.first;
    std::string text = fmt::format("  DIFFER  {:<46} {} of {} rows, the first is line {}\n",
                                   decision.experiment, decision.rows_that_differ, decision.rows, first.row);
    if (!first.what.empty()) text += fmt::format("          {}\n", first.what);
    return text + fmt::format("          before {}\n          after  {}\n", first.before, first.after);
}

}  // namespace

Decision decision(std::string experiment, std::string_view before, std::string_view after) {
    const auto a = split(before, '\n');
    const auto b = split(after, '\n');
    const auto columns = columns_of(a);
    Decision found{std::move(experiment), golden::rows_of(before), 0, {}};
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
        const std::string_view one = i < a.size() ? a[i] : "(nothing)";
        const std::string_view other = i < b.size() ? b[i] : "(nothing)";
        if (one == other || (is_parameter(one) && is_parameter(other))) continue;
        ++found.rows_that_differ;
        if (!found.first) {
            found.first = {i + 1, std::string{one}, std::string{other}, changes(one, other, columns)};
        }
    }
    return found;
}

std::vector<Decision> decisions(
    const guests::Kernel& before, const guests::Kernel& after,
    const std::function<bool(const std::string& experiment, std::size_t done, std::size_t total)>& progress) {
    const std::vector<golden::Experiment> experiments = common_experiments(before, after);
    std::vector<Decision> found;
    for (const golden::Experiment& experiment : experiments) {
        if (!progress(experiment.file, found.size(), experiments.size())) break;
        std::string words = experiment.command;
        if (!experiment.append.empty()) words += " " + experiment.append;
        if (experiment.memory != golden::Experiment::usual_memory)
            words += fmt::format(" mem={}M", experiment.memory >> 20);
        found.push_back(
            decision(std::move(words), golden::ask(before, experiment), golden::ask(after, experiment)));
    }
    return found;
}

std::string to_text(const std::vector<Decision>& decisions) {
    const auto same = std::count_if(decisions.begin(), decisions.end(),
                                    [](const Decision& decision) { return !decision.first; });
    std::string text =
        fmt::format("decisions: {} of {} experiments have the same rows\n", same, decisions.size());
    for (const Decision& decision : decisions) text += line_of(decision);
    return text;
}

}  // namespace kmemlab::versus

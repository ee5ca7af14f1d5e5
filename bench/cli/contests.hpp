/// Commands that measure contests (measure/contest.hpp): their common options and what they do with them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/measure/contest.hpp"

namespace kmemlab::cli {

struct ContestsOptions {
    ContestOptions measuring;
    std::string json;
    bool list = false;
    bool dry_run = false;
    bool resume = false;
};

/// --json, --repetitions, --filter, --list, --dry-run, --resume; rows are named as `form` says, like
/// "WORK/SIZE/WHO".
void add_contests_options(CLI::App& app, ContestsOptions& options, std::string_view form);

using Rows = std::vector<ContestRow>;

/// The rows of `contests` that the filter finds, measured with progress on a terminal; after an interrupt
/// those repetitions that all of them have.
[[nodiscard]] Rows measured(std::string_view command, const Contests& contests, ContestOptions options);

/// Lists or measures the rows of `command` that the options choose, and writes and
/// prints what `to_json` and `to_text` make of them. What an interrupt leaves of a run is kept in
/// NAME.partial, with which --resume begins. The exit status.
[[nodiscard]] int run_contests(std::string_view command, const Contests& contests,
                               const ContestsOptions& options,
                               const std::function<Json(const Rows&)>& to_json,
                               const std::function<std::string(const Rows&)>& to_text);

}  // namespace kmemlab::cli

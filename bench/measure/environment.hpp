/// The environment of a measurement: what a result file says in its `context` (docs/results.md).
#pragma once

#include <nlohmann/json.hpp>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allocators/base/tunable.hpp"

namespace kmemlab {

/// Members keep the order in which they were written.
using Json = nlohmann::ordered_json;

struct BuildFacts {
    std::string version;
    std::string compiler;  ///< name and version
    std::string flags;     ///< compiler flags, as given by the build
    std::string build_type;
    std::vector<std::string> checks;  ///< enabled checks; empty for a measuring build
};
[[nodiscard]] BuildFacts build_facts();

struct MachineFacts {
    std::string cpu;       ///< model name
    std::string kernel;    ///< `uname -r`
    std::string governor;  ///< "none" where the machine has no frequency scaling
    std::string thp;       ///< setting of transparent huge pages: "always", "madvise", "never", "none"
};
[[nodiscard]] MachineFacts machine_facts();

/// The word in brackets of "always [madvise] never"; the whole text, trimmed, without brackets.
[[nodiscard]] std::string chosen_word(const std::string& text);

/// A command line as one string that a shell would take apart again.
[[nodiscard]] std::string command_line(std::span<const std::string> arguments);

/// The whole of `context`. `tunables`: those of the allocators that ran, for their values.
[[nodiscard]] Json context(const std::string& command, std::span<const Setting> tunables);

/// What of `context` Google Benchmark does not write itself, as texts by name, for AddCustomContext.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> custom_context(
    const std::string& command, std::span<const Setting> tunables);

}  // namespace kmemlab

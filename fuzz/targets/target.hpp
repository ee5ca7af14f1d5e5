/// The fuzz targets, by name. Most run programs (fuzz/program) on a machine (fuzz/machines); those of readers
/// take bytes as they are.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/machines/machine.hpp"
#include "fuzz/program/mutator.hpp"

namespace kmemlab::fuzz {

struct Target {
    std::string_view name;
    std::string_view what;  ///< one line
    Language language{};    ///< of its programs; without operations: it takes bytes
    MachineMaker make{};
    std::function<MaybeFinding(std::span<const std::uint8_t>)> read{};  ///< of those that take bytes
    std::function<void(std::span<std::uint8_t>)> repair{};  ///< makes changed bytes acceptable, if anything
    std::function<std::string(std::string, Random&)> mutate{};  ///< to what bytes alone need long for
    /// The registry's entry on which real threads run its programs; empty: none.
    std::string_view threaded{};
    /// Of those that take bytes, if it can be told: what was read of them, refusal or content.
    std::function<std::string(std::span<const std::uint8_t>)> outcome{};
    /// What people read of the bytes, if they can.
    std::function<std::string(std::span<const std::uint8_t>)> print{};

    [[nodiscard]] bool has_programs() const { return language.operations != 0; }
};

// Of each family of machines.
[[nodiscard]] std::vector<Target> object_targets();
[[nodiscard]] std::vector<Target> page_targets();
[[nodiscard]] std::vector<Target> mapping_targets();
[[nodiscard]] std::vector<Target> differential_targets();
[[nodiscard]] std::vector<Target> byte_targets();
[[nodiscard]] std::vector<Target> settings_targets();

[[nodiscard]] const std::vector<Target>& all_targets();
/// Throws UsageError that lists the names.
[[nodiscard]] const Target& find_target(std::string_view name);

/// Runs an input as a fuzzer keeps it.
[[nodiscard]] MaybeFinding run_input(const Target& target, std::span<const std::uint8_t> input,
                                     const Observer& observer = {});
/// A hash of what comes of an input: what callers have between its operations and how many pages were asked
/// for, or what was read of its bytes, and the law that it breaks. It knows no addresses, so that it is the
/// same in every process. Nothing: of this target nobody can tell.
[[nodiscard]] std::optional<std::uint64_t> digest(const Target& target, std::span<const std::uint8_t> input);
/// What people read of a finding: law, what was found, the program up to there.
[[nodiscard]] std::string report(const Target& target, const Program& program, const Finding& finding);
/// The same of an input as a fuzzer keeps it.
[[nodiscard]] std::string report(const Target& target, std::span<const std::uint8_t> input,
                                 const Finding& finding);

}  // namespace kmemlab::fuzz

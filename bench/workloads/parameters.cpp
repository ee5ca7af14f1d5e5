#include "bench/workloads/parameters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "allocators/base/check.hpp"

namespace kmemlab::workloads {
namespace {

/// 50 million operations take 1.2 GB.
constexpr std::uint64_t most_operations = 50'000'000;

}  // namespace

std::vector<Tunable> Basics::tunables(std::vector<Tunable> own) {
    std::vector<Tunable> all{
        integer_tunable("ops", "operations of the trace, about", ops, 1, most_operations),
        integer_tunable("threads", "threads, each on a CPU of its own", threads, least_threads, max_cpus)};
    if (luck == Luck::drawn) {
        constexpr std::uint64_t any = std::numeric_limits<std::uint64_t>::max();
        all.push_back(integer_tunable("seed", "of the random numbers", seed, 0, any));
    }
    for (Tunable& tunable : own) all.push_back(std::move(tunable));
    return all;
}

Tunable sequence_tunable(Literal key, Literal help, Sequence& variable) {
    auto set = [&variable](std::string_view text) {
        for (const Sequence sequence : {Sequence::fifo, Sequence::lifo, Sequence::random}) {
            if (to_string(sequence) != text) continue;
            variable = sequence;
            return true;
        }
        return false;
    };
    auto get = [&variable] { return std::string{to_string(variable)}; };
    return {key, help, "fifo, lifo or random", set, get};
}

Tunable file_tunable(Literal key, Literal help, std::string& variable) {
    auto set = [&variable](std::string_view text) {
        variable = text;
        return !text.empty();
    };
    return {key, help, "a file", set, [&variable] { return variable; }};
}

void check_sizes(std::uint64_t min, std::uint64_t max) {
    if (min > max) throw UsageError::of("min={} is above max={}", min, max);
}

void apply(std::string_view workload, std::span<const Setting> settings, std::span<const Tunable> tunables) {
    for (const Setting& setting : settings) {
        const auto found = std::find_if(tunables.begin(), tunables.end(),
                                        [&](const Tunable& tunable) { return tunable.key == setting.key; });
        if (found == tunables.end()) {
            std::vector<std::string_view> keys;
            for (const Tunable& tunable : tunables) keys.push_back(tunable.key);
            throw UsageError::of("workload {}: no parameter '{}'; there are: {}", workload, setting.key,
                                 fmt::join(keys, ", "));
        }
        if (!found->set(setting.value)) {
            throw UsageError::of("workload {}: {}={}: expected {}", workload, setting.key, setting.value,
                                 found->accepted);
        }
    }
}

}  // namespace kmemlab::workloads

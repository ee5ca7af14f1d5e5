/// What the repetitions of a replay have measured: the figures of a result file are made of it, and with it
/// another run goes on where one was interrupted.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "bench/measure/cycle_counter.hpp"
#include "bench/measure/environment.hpp"
#include "bench/replay/latency.hpp"
#include "bench/replay/session.hpp"

namespace kmemlab::replay {

/// Of one allocator.
struct Measured {
    std::string behaviour;                  ///< a text of what was observed, the same in every run
    std::vector<PassTime> throughput;       ///< one per repetition
    std::vector<LatencyBook::Means> means;  ///< ticks per kind, one per repetition
    LatencyBook latency;
};

struct Repetitions {
    std::size_t count = 0;
    TimerCost timer;
    std::map<std::string, Measured> allocators;   ///< by name; none that broke a law
    std::map<Part, std::vector<double>> harness;  ///< nanoseconds an operation of the harness alone
};

[[nodiscard]] Json to_json(const Repetitions& repetitions);
/// What to_json() was given. Throws Json::exception or UsageError if it is another thing.
[[nodiscard]] Repetitions repetitions_of(const Json& json);

}  // namespace kmemlab::replay

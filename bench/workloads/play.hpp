/// From a class to an entry of the table. A workload is a class W with
///
/// | expression              | meaning                                                                     |
/// |-------------------------|-----------------------------------------------------------------------------|
/// | W::info                 | WorkloadInfo                                                                |
/// | W::Config{}             | its parameters; a Basics, with `tunables()`                                 |
/// | W{config, maker}        | ready for the first turn; UsageError if its parameters contradict each other|
/// | w.turn(cpu)             | one turn of the thread on that CPU                                          |
/// | w.end()                 | frees what shall not be freed by Maker::free_all; may be missing            |
///
/// A turn may do nothing, but a round of turns must lead to more operations some time.
#pragma once

#include <concepts>
#include <vector>

#include "bench/workloads/maker.hpp"
#include "bench/workloads/parameters.hpp"
#include "bench/workloads/workload.hpp"

namespace kmemlab::workloads {

template <class W>
concept Playable = std::derived_from<typename W::Config, Basics> &&
    std::constructible_from<W, const typename W::Config&, Maker&> &&
    requires(W& work, typename W::Config& config, CpuId cpu) {
    { W::info } -> std::convertible_to<WorkloadInfo>;
    { config.tunables() } -> std::same_as<std::vector<Tunable>>;
    { work.turn(cpu) } -> std::same_as<void>;
};

template <Playable W>
trace::Trace play(std::span<const Setting> settings) {
    typename W::Config config;
    apply(W::info.name, settings, config.tunables());
    Maker maker{config.ops, config.cpus()};
    W work{config, maker};
    for (unsigned thread = 0; !maker.done(); thread = (thread + 1) % config.cpus()) {
        work.turn(CpuId{thread});
    }
    if constexpr (requires { work.end(); }) work.end();
    maker.free_all();
    return maker.finish();
}

template <Playable W>
std::vector<Parameter> parameters() {
    typename W::Config config;
    std::vector<Parameter> list;
    for (const Tunable& tunable : config.tunables()) {
        list.push_back(
            {std::string{tunable.key}, std::string{tunable.help}, tunable.accepted, tunable.get()});
    }
    return list;
}

template <Playable W>
Workload entry() {
    return {W::info, &parameters<W>, &play<W>};
}

}  // namespace kmemlab::workloads

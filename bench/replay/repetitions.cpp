#include "bench/replay/repetitions.hpp"

#include <cstdint>

#include "allocators/base/check.hpp"

namespace kmemlab::replay {
namespace {

/// A number of an enumeration, below `count`.
template <class Enum>
Enum enumerator(const Json& json, std::size_t count) {
    const auto number = json.get<std::size_t>();
    if (number >= count) throw UsageError::of("expected a number below {}, found {}", count, number);
    return static_cast<Enum>(number);
}

template <class Enum>
std::size_t number(Enum value) {
    return static_cast<std::size_t>(value);
}

Json kind_json(OperationKind kind) {
    return {number(kind.kind), kind.other_cpu};
}

OperationKind kind_of(const Json& json) {
    return {enumerator<trace::Kind>(json.at(0), trace::kind_count), json.at(1).get<bool>()};
}

Json book_json(const LatencyBook& book) {
    Json list = Json::array();
    for (const auto& [key, ticks] : book.by_path()) {
        list.push_back({kind_json(key.first), number(key.second), ticks.sum(), ticks.max(), ticks.filled()});
    }
    return list;
}

LatencyBook book_of(const Json& json) {
    LatencyBook book;
    for (const Json& entry : json) {
        const auto buckets = entry.at(4).get<std::vector<std::pair<std::uint64_t, std::uint64_t>>>();
        book.enter({kind_of(entry.at(0)), enumerator<Path>(entry.at(1), path_count)},
                   Histogram{buckets, entry.at(2).get<double>(), entry.at(3).get<std::uint64_t>()});
    }
    return book;
}

Json measured_json(const Measured& measured) {
    Json throughput = Json::array();
    for (const PassTime& time : measured.throughput) throughput.push_back({time.wall_ns, time.cpu_ns});
    Json means = Json::array();
    for (const LatencyBook::Means& repetition : measured.means) {
        Json list = Json::array();
        for (const auto& [kind, mean] : repetition) list.push_back({kind_json(kind), mean});
        means.push_back(std::move(list));
    }
    return {{"behaviour", measured.behaviour},
            {"throughput", std::move(throughput)},
            {"means", std::move(means)},
            {"latency", book_json(measured.latency)}};
}

Measured measured_of(const Json& json) {
    Measured measured;
    measured.behaviour = json.at("behaviour").get<std::string>();
    for (const Json& time : json.at("throughput")) {
        measured.throughput.push_back({time.at(0).get<double>(), time.at(1).get<double>()});
    }
    for (const Json& repetition : json.at("means")) {
        LatencyBook::Means means;
        for (const Json& mean : repetition) means[kind_of(mean.at(0))] = mean.at(1).get<double>();
        measured.means.push_back(std::move(means));
    }
    measured.latency = book_of(json.at("latency"));
    return measured;
}

}  // namespace

Json to_json(const Repetitions& repetitions) {
    Json allocators = Json::object();
    for (const auto& [name, measured] : repetitions.allocators) allocators[name] = measured_json(measured);
    Json harness = Json::array();
    for (const auto& [part, times] : repetitions.harness) harness.push_back({number(part), times});
    const TimerCost& timer = repetitions.timer;
    return {{"count", repetitions.count},
            {"ns_per_tick", timer.ns_per_tick},
            {"overhead_ticks", timer.overhead_ticks},
            {"harness", std::move(harness)},
            {"allocators", std::move(allocators)}};
}

Repetitions repetitions_of(const Json& json) {
    Repetitions repetitions;
    repetitions.count = json.at("count").get<std::size_t>();
    repetitions.timer.ns_per_tick = json.at("ns_per_tick").get<double>();
    repetitions.timer.overhead_ticks = json.at("overhead_ticks").get<std::uint64_t>();
    for (const Json& part : json.at("harness")) {
        repetitions.harness[enumerator<Part>(part.at(0), part_count)] = part.at(1).get<std::vector<double>>();
    }
    for (const auto& [name, measured] : json.at("allocators").items()) {
        repetitions.allocators[name] = measured_of(measured);
    }
    return repetitions;
}

}  // namespace kmemlab::replay

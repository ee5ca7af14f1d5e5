/// What holds of the trace of every workload.
#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <string>

#include "bench/trace/packed.hpp"
#include "tests/workloads/workload_support.hpp"

using namespace kmemlab;
using namespace kmemlab::workloads;

namespace {

bool has(const Workload& workload, std::string_view key) {
    const auto parameters = workload.parameters();
    return std::any_of(parameters.begin(), parameters.end(),
                       [&](const Parameter& p) { return p.key == key; });
}

/// A short trace, in which all that happens in a long one has happened.
std::string short_form(const Workload& workload) {
    return std::string{workload.info.name} + ",ops=20000" + (has(workload, "blocks") ? ",blocks=2000" : "");
}

/// FNV-1a over the operations' words.
std::uint64_t hash_of(const trace::Trace& trace) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const trace::Operation& op : trace.operations) {
        for (const std::uint64_t word : std::bit_cast<std::array<std::uint64_t, 2>>(op)) {
            hash = (hash ^ word) * 0x100000001b3U;
        }
    }
    return hash;
}

}  // namespace

TEST_CASE("each workload says what it is, by a name of its own") {
    std::set<std::string_view> names;
    for (const Workload& workload : all_workloads()) {
        const WorkloadInfo& info = workload.info;
        CAPTURE(info.name);
        CHECK(names.insert(info.name).second);
        for (const std::string_view text : {info.what, info.source, info.asks, info.turn}) {
            CHECK(text.size() > 4);
            CHECK(text.find('|') == text.npos);  // it stands in a table
        }
        CHECK(has(workload, "ops"));
        CHECK(has(workload, "threads"));
        CHECK(find_workload(info.name).info.name == info.name);
    }
    CHECK(names.size() == 20);
}

TEST_CASE("the same parameters give the same trace, another seed gives another one") {
    for (const Workload& workload : all_workloads()) {
        const std::string text = short_form(workload);
        CAPTURE(text);
        const trace::Trace trace = made(text);
        CHECK((trace.operations == made(text).operations));
        if (has(workload, "seed")) {
            CHECK((trace.operations == made(text + ",seed=1").operations));
            const bool changes = trace.operations != made(text + ",seed=2").operations;
            // Of its three orders only one draws.
            CHECK(changes == (workload.info.name != "slab-pattern"));
        }
    }
    const auto shuffled = made("slab-pattern,ops=20000,objects=1000,frees=random").operations;
    CHECK((shuffled != made("slab-pattern,ops=20000,objects=1000,frees=random,seed=2").operations));
}

TEST_CASE("the trace of each workload is the same on every machine") {
    const std::map<std::string_view, std::uint64_t> known{
        {"llfree-bulk", 0xe8e3d2ed5cdd65e5U},   {"llfree-repeat", 0x49566b24ab6213adU},
        {"llfree-random", 0x3cebb1eda1cfbaa9U}, {"llfree-frag", 0x664a5eb3cd68bf39U},
        {"slab-fastpath", 0x824b2c7d2355c025U}, {"slab-pattern", 0x8052652a4cc79865U},
        {"slab-bulk", 0x3c44bd3aeacd1f05U},     {"larson", 0xd25c0758b63ad5ddU},
        {"cache-scratch", 0x306987e78d873c05U}, {"cache-thrash", 0xab2cfc7b4258fa25U},
        {"threadtest", 0x847c652a4cc79865U},    {"xmalloc", 0x740c710f40d11625U},
        {"messages", 0x0edf697d136bd105U},      {"mstress", 0x26b7d929cc780aa5U},
        {"sh6", 0xad33b2dec7ae6c25U},           {"sh8", 0xe2bb33bb96a274e5U},
        {"hackbench", 0xbd50dc68071250e5U},     {"network", 0xbf08cf45f6ed6055U},
        {"fork-storm", 0xa42291181f740b81U},    {"long-run", 0x1f845c52b1643dafU},
    };
    for (const Workload& workload : all_workloads()) {
        CAPTURE(workload.info.name);
        REQUIRE(known.count(workload.info.name) == 1);
        CHECK(hash_of(made(short_form(workload))) == known.at(workload.info.name));
    }
}

TEST_CASE("a made trace is as a resolved recording: the packed form takes it, with nothing left unfreed") {
    for (const Workload& workload : all_workloads()) {
        for (const std::string more : {"", ",threads=2", ",threads=7", ",threads=256"}) {
            const std::string text = short_form(workload) + more;
            CAPTURE(text);
            const trace::Trace trace = made(text);
            // Reading verifies each operation: its CPU, its cache, its object's life.
            const trace::Trace read = trace::unpack(trace::pack(trace), "made");
            CHECK((read.operations == trace.operations));
            CHECK((read.counts == trace.counts));
            CHECK(trace.name == text);
            CHECK(trace.times.size() == trace.operations.size());
            CHECK(lives_of(trace).size() * 2 == trace.operations.size());
            CHECK(trace.counts.kernel_events() == trace.operations.size());
        }
    }
}

TEST_CASE("an object's number is given again as soon as it is free") {
    for (const Workload& workload : all_workloads()) {
        const trace::Trace trace = made(short_form(workload));
        CAPTURE(trace.name);
        std::array<std::uint32_t, trace::layer_count> live{};
        std::array<std::uint32_t, trace::layer_count> peak{};
        for (const trace::Operation& op : trace.operations) {
            const auto layer = static_cast<unsigned>(trace::layer_of(op.kind()));
            live[layer] += trace::is_allocation(op.kind()) ? 1U : ~0U;
            peak[layer] = std::max(peak[layer], live[layer]);
        }
        CHECK(peak == trace.slots_per_layer);
    }
}

TEST_CASE("a trace has as many operations as asked for, up to a turn, and a workload's threads all work") {
    for (const Workload& workload : all_workloads()) {
        const trace::Trace trace = made(std::string{workload.info.name} + ",ops=100000,threads=5");
        CAPTURE(trace.name);
        CHECK(trace.operations.size() >= 99'999);
        CHECK(trace.operations.size() <= 106'000);  // larson's first turn fills an array of 1000
        CHECK(trace.cpus == 5);
        std::array<std::size_t, 5> by_cpu{};
        for (const trace::Operation& op : trace.operations) ++by_cpu[op.cpu().value()];
        CHECK(*std::min_element(by_cpu.begin(), by_cpu.end()) > 1000);
    }
}

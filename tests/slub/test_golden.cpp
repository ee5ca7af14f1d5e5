#include <catch2/catch.hpp>

#include "tests/slub/golden_replay.hpp"
#include "tests/support/golden.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

struct Trace {
    const char* name;
    unsigned cpus;
};

template <class Cpus>
void replay_all(std::initializer_list<Trace> traces) {
    for (const Trace& trace : traces) {
        const std::string text = read_golden(trace.name);
        GoldenReplay<Cpus> replay{text, trace.cpus};
        const ReplayResult result = replay.run(true);
        INFO(trace.name);
        CHECK(result.rows > 1000);
        CHECK(result.difference == "");
    }
}

constexpr std::initializer_list<Trace> one_cpu{
    {"linux-6.1-slub/slabtrace-32.csv.zst", 1},
    {"linux-6.1-slub/slabtrace-192.csv.zst", 1},
    {"linux-6.1-slub/slabtrace-1000.csv.zst", 1},
};
constexpr std::initializer_list<Trace> four_cpus{
    {"linux-6.1-smp-slub/slabtrace-192-random.csv.zst", 4},
    {"linux-6.1-smp-slub/slabtrace-192-prodcons.csv.zst", 4},
    {"linux-6.1-smp-slub/slabtrace-192-local.csv.zst", 4},
    {"linux-6.1-smp-slub/slabtrace-1000-random.csv.zst", 4},
    {"linux-6.1-smp-slub/slabtrace-1000-prodcons.csv.zst", 4},
    {"linux-6.1-smp-slub/slabtrace-1000-local.csv.zst", 4},
};

}  // namespace

TEST_CASE("one CPU decides as Linux 6.1 did, row by row") {
    replay_all<OwnedCpus>(one_cpu);
}

TEST_CASE("four CPUs decide as Linux 6.1 did, row by row") {
    replay_all<OwnedCpus>(four_cpus);
}

TEST_CASE("the simulated context decides as Linux 6.1 did, row by row") {
    replay_all<SimulatedCpus>(one_cpu);
    replay_all<SimulatedCpus>(four_cpus);
}

TEST_CASE("bulk operations decide as Linux 6.1 did, row by row") {
    replay_all<OwnedCpus>({{"linux-6.1-slub/bulktrace-256.csv.zst", 1}});
}

TEST_CASE("the replay finds a golden row that is not true") {
    std::string text = read_golden("linux-6.1-slub/slabtrace-192.csv.zst");
    const auto row = text.find("\n5000,");
    const auto comma = text.find(',', text.find(',', text.find(',', row) + 1) + 1);
    text[comma + 1] = text[comma + 1] == '7' ? '8' : '7';
    CHECK(GoldenReplay<OwnedCpus>(text, 1).run(false).difference != "");
}

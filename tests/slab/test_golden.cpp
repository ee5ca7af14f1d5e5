#include <catch2/catch.hpp>

#include "tests/slab/slab_target.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

template <class Cpus>
ReplayResult replay(std::string_view text, unsigned cpus, bool check = true) {
    SlabTarget<Cpus> target{text, cpus};
    return SlabTrace{text, {.cpu = cpus > 1, .colour = true}, target}.run(check);
}

template <class Cpus>
void replay_all(unsigned cpus, std::initializer_list<const char*> names) {
    for (const char* name : names) {
        const ReplayResult result = replay<Cpus>(read_golden(name), cpus);
        INFO(name);
        CHECK(result.rows > 1000);
        CHECK(result.difference == "");
    }
}

constexpr std::initializer_list<const char*> one_cpu{
    "linux-6.1-slab/slabtrace-32.csv.zst",
    "linux-6.1-slab/slabtrace-620.csv.zst",
};
constexpr std::initializer_list<const char*> four_cpus{
    "linux-6.1-smp-slab/slabtrace-192-random.csv.zst",
    "linux-6.1-smp-slab/slabtrace-32-prodcons.csv.zst",
    "linux-6.1-smp-slab/slabtrace-4096-random.csv.zst",
    "linux-6.1-smp-slab/slabtrace-1000-local.csv.zst",
};

}  // namespace

TEST_CASE("one CPU decides as Linux 6.1 did, row by row") {
    replay_all<OwnedCpus>(1, one_cpu);
}

TEST_CASE("four CPUs decide as Linux 6.1 did, row by row") {
    replay_all<OwnedCpus>(4, four_cpus);
}

TEST_CASE("the simulated context decides as Linux 6.1 did, row by row") {
    replay_all<SimulatedCpus>(1, one_cpu);
    replay_all<SimulatedCpus>(4, four_cpus);
}

TEST_CASE("bulk operations decide as Linux 6.1 did, row by row") {
    replay_all<OwnedCpus>(1, {"linux-6.1-slab/bulktrace-256.csv.zst"});
}

TEST_CASE("the replay finds a golden row that is not true") {
    std::string text = read_golden("linux-6.1-slab/slabtrace-620.csv.zst");
    const auto flip = [&](std::size_t at) {
        const char was = text[at];
        text[at] = was == '7' ? '8' : '7';
        const std::string difference = replay<OwnedCpus>(text, 1, false).difference;
        text[at] = was;
        return difference;
    };
    const auto row = text.find("\n5000,");
    const auto comma = text.find(',', text.find(',', text.find(',', row) + 1) + 1);
    CHECK(flip(comma + 1) != "");                     // which slab
    CHECK(flip(text.find('\n', row + 1) - 1) != "");  // free slabs after it
    CHECK(flip(text.find(",D,") + 5) != "");          // which slab goes back
}

// How often two CPUs touch the barn, of which one allocates and the other frees: once in as many operations
// as a sheaf holds, each (SHEAF-1, 3, 4). Counted, not timed.
#include <catch2/catch.hpp>

#include <deque>

#include "tests/sheaves/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId producer{0};
constexpr CpuId consumer{1};
using Machine = SheavesMachine<OwnedCpus>;

/// The producer is ahead of the consumer by at most `lead` objects; they go in bursts of `burst`.
struct Traffic {
    Machine& machine;
    std::size_t lead;
    std::size_t burst;
    std::deque<void*> under_way{};

    void run(std::size_t operations) {
        for (std::size_t done = 0; done < operations; done += burst) {
            for (std::size_t i = 0; i < burst; ++i) under_way.push_back(machine.get(producer));
            while (under_way.size() > lead) {
                machine.put(under_way.front(), consumer);
                under_way.pop_front();
            }
        }
    }
};

struct Touches {
    std::uint64_t gets, puts, locks;
    static Touches of(Machine& m) {
        return {m.counted(SheafEvent::barn_get, producer), m.counted(SheafEvent::barn_put, consumer),
                m.cache.barn.lock.acquisitions()};
    }
};

}  // namespace

TEST_CASE("the barn is touched once in 60 operations on each side, for the smallest sizes") {
    constexpr std::uint64_t sheaves = 1000;
    for (const std::size_t size : {8U, 16U, 32U, 64U, 96U, 128U, 192U}) {
        for (const auto& [lead, burst] : {std::pair{0U, 1U}, {100U, 1U}, {0U, 30U}, {400U, 60U}}) {
            INFO(size << " bytes, " << lead << " ahead, bursts of " << burst);
            Machine m{{}, {.name = "passed", .size = size}, 2};
            REQUIRE(m.cache.capacity == 60);
            Traffic traffic{m, lead, burst};
            traffic.run(1200);  // until the consumer's sheaves are full and the barn has some
            const Touches before = Touches::of(m);
            const std::uint64_t out = m.cache.out_of_slabs();
            traffic.run(60 * sheaves);
            const Touches after = Touches::of(m);
            CHECK(after.gets - before.gets == sheaves);
            CHECK(after.puts - before.puts == sheaves);
            CHECK(after.locks - before.locks == 2 * sheaves);
            CHECK(m.cache.out_of_slabs() == out);  // the slabs are not needed any more
            CHECK(m.violation() == "");
        }
    }
}

TEST_CASE("larger objects touch it once in as many operations as their sheaves hold") {
    for (const std::size_t size : {256U, 1024U, 4096U}) {
        Machine m{{}, {.name = "passed", .size = size}, 2};
        Traffic traffic{m, 0, 1};
        traffic.run(20UL * m.cache.capacity);
        const Touches before = Touches::of(m);
        traffic.run(500UL * m.cache.capacity);
        CHECK(Touches::of(m).locks - before.locks == 1000);
    }
}

TEST_CASE("one CPU that allocates and frees by itself touches neither barn nor slabs") {
    Machine m;
    for (int round = 0; round < 100; ++round) m.put_many(m.get_many(120, producer), producer);
    CHECK(m.cache.barn.lock.acquisitions() == 0);
    CHECK(m.counted(SheafEvent::sheaf_refill, producer) == 2);
    CHECK(m.counted(SheafEvent::sheaf_flush, producer) == 0);
}

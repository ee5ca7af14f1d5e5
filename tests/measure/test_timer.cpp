#include <catch2/catch.hpp>

#include "bench/measure/cycle_counter.hpp"
#include "bench/measure/summary.hpp"

using namespace kmemlab;

TEST_CASE("the timer's own cost is subtracted, never below zero") {
    const TimerCost cost{.ns_per_tick = 0.5, .overhead_ticks = 20};
    CHECK(cost.net(50) == 30);
    CHECK(cost.net(20) == 0);
    CHECK(cost.net(3) == 0);
    CHECK(cost.nanoseconds(30) == Approx(15));
}

TEST_CASE("calibration finds a tick between a picosecond and a microsecond") {
    const TimerCost cost = calibrate_timer();
    CHECK(cost.ns_per_tick > 0.001);
    CHECK(cost.ns_per_tick < 1000);
    CHECK(cost.name == CycleCounter::name);
}

TEST_CASE("the counter does not run backwards") {
    const std::uint64_t begin = CycleCounter::begin();
    CHECK(CycleCounter::end() >= begin);
}

TEST_CASE("median and spread") {
    CHECK(median({}) == 0);
    CHECK(median({3, 1, 2}) == 2);
    CHECK(median({4, 1, 2, 3}) == Approx(2.5));
    CHECK(spread_percent({10, 11, 9}) == Approx(20));
    CHECK(spread_percent({}) == 0);
}

// Knees of curves whose knees are known.
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "bench/mapping/plateaus.hpp"

using namespace kmemlab::mapping;

namespace {

constexpr double tolerance = 0.15;
constexpr double noise = 0.3;

std::vector<Sample> curve(const std::function<double(double)>& cost) {
    std::vector<Sample> samples;
    for (int quarter = 16; quarter <= 60; ++quarter) {
        const double size = std::round(std::exp2(quarter / 4.0));
        samples.push_back({size, cost(size)});
    }
    return samples;
}

double steps(double size) {
    return size <= 64 ? 1 : size <= 1536 ? 3 : 12;
}

/// Up to a tenth of the value up or down, by the size alone.
double jitter(double size) {
    return 1 + 0.1 * std::sin(size * 12.9898);
}

std::vector<double> sizes(const std::vector<Knee>& knees) {
    std::vector<double> result;
    for (const Knee& knee : knees) result.push_back(knee.size);
    return result;
}

}  // namespace

TEST_CASE("a step is a knee at the last size before it, with the levels on both sides") {
    const auto knees = find_knees(curve(steps), tolerance, noise);
    REQUIRE(sizes(knees) == std::vector<double>{64, 1448});
    CHECK(knees[0].before == Approx(1));
    CHECK(knees[0].after == Approx(3));
    CHECK(knees[1].after == Approx(12));
}

TEST_CASE("noise below the tolerance moves no knee") {
    const auto knees = find_knees(curve([](double s) { return steps(s) * jitter(s); }), tolerance, noise);
    CHECK(sizes(knees) == std::vector<double>{64, 1448});
}

TEST_CASE("a ramp is a knee where it begins") {
    const auto ramp = [](double size) {
        if (size <= 64) return 2.0;
        return size >= 512 ? 20.0 : 2 + 18 * std::log2(size / 64) / 3;
    };
    const auto knees = find_knees(curve(ramp), tolerance, noise);
    REQUIRE(knees.size() == 1);
    CHECK(knees[0].size == 64);
    CHECK(knees[0].after == Approx(20));
}

TEST_CASE("a level curve and one that rises all the way have no knee") {
    CHECK(find_knees(curve([](double s) { return 5 * jitter(s); }), tolerance, noise).empty());
    CHECK(find_knees(curve([](double s) { return s; }), tolerance, noise).empty());
    CHECK(find_knees({}, tolerance, noise).empty());
}

TEST_CASE("one sample that sticks out is no knee") {
    auto samples = curve(steps);
    samples[4].cost = 10;
    CHECK(sizes(find_knees(samples, tolerance, noise)) == std::vector<double>{64, 1448});
}

TEST_CASE("a rise that does not stand out from the noise is no knee") {
    CHECK(find_knees(curve([](double s) { return s <= 64 ? 0.0 : 0.25; }), tolerance, noise).empty());
}

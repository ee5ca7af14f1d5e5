#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "bench/measure/histogram.hpp"

using namespace kmemlab;

namespace {

/// The value of nearest rank in a sorted list.
std::uint64_t exact_percentile(const std::vector<std::uint64_t>& sorted, double percent) {
    const double rank = percent / 100.0 * static_cast<double>(sorted.size());
    const auto position = static_cast<std::size_t>(std::ceil(rank - 1e-9 * rank));
    return sorted[position == 0 ? 0 : position - 1];
}

constexpr double percents[] = {0, 1, 50, 90, 99, 99.9, 99.99, 100};

/// Values from one to billions, as latencies with rare long pauses.
std::vector<std::uint64_t> sorted_samples(std::size_t count) {
    std::mt19937_64 random{7};
    std::lognormal_distribution<double> latency{4.0, 2.5};
    std::vector<std::uint64_t> samples(count);
    for (auto& s : samples) s = static_cast<std::uint64_t>(latency(random));
    std::sort(samples.begin(), samples.end());
    return samples;
}

}  // namespace

TEST_CASE("each value lies in the bucket whose bounds enclose it") {
    std::mt19937_64 random{3};
    for (int i = 0; i < 100'000; ++i) {
        const std::uint64_t value = random() >> (random() % 64);
        const std::size_t bucket = Histogram::bucket_of(value);
        REQUIRE(value <= Histogram::upper_bound(bucket));
        if (bucket > 0) REQUIRE(value > Histogram::upper_bound(bucket - 1));
    }
}

TEST_CASE("a percentile lies in the bucket of the exact one") {
    const auto samples = sorted_samples(100'001);
    Histogram histogram;
    for (const auto s : samples) histogram.add(s);
    for (const double percent : percents) {
        const std::uint64_t exact = exact_percentile(samples, percent);
        CAPTURE(percent, exact);
        const std::uint64_t bound = Histogram::upper_bound(Histogram::bucket_of(exact));
        CHECK(histogram.percentile(percent) == std::min(bound, samples.back()));
        CHECK(static_cast<double>(histogram.percentile(percent)) <= static_cast<double>(exact) * 1.032 + 1);
    }
}

TEST_CASE("small values are counted exactly") {
    Histogram histogram;
    for (std::uint64_t v = 0; v < 32; ++v) histogram.add(v);
    CHECK(histogram.percentile(50) == 15);
    CHECK(histogram.percentile(100) == 31);
    CHECK(histogram.mean() == Approx(15.5));
    CHECK(histogram.filled().size() == 32);
}

TEST_CASE("the maximum is exact, and no percentile exceeds it") {
    Histogram histogram;
    histogram.add(1'000'003);
    CHECK(histogram.max() == 1'000'003);
    CHECK(histogram.percentile(50) == 1'000'003);
    CHECK(histogram.filled() == std::vector<std::pair<std::uint64_t, std::uint64_t>>{{1'000'003, 1}});
}

TEST_CASE("an empty histogram has zeroes everywhere") {
    const Histogram histogram;
    CHECK(histogram.count() == 0);
    CHECK(histogram.percentile(99) == 0);
    CHECK(histogram.mean() == 0);
    CHECK(histogram.filled().empty());
}

TEST_CASE("adding a histogram is adding its values") {
    const auto samples = sorted_samples(1000);
    Histogram whole;
    Histogram first;
    Histogram second;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        whole.add(samples[i]);
        (i % 3 == 0 ? first : second).add(samples[i]);
    }
    first.add(second);
    CHECK(first.count() == whole.count());
    CHECK(first.max() == whole.max());
    CHECK(first.mean() == Approx(whole.mean()));
    CHECK(first.filled() == whole.filled());
}

/// Histogram: counts of values over buckets whose width grows with the value, as HdrHistogram's.
///
///     value   0 .. 31         one bucket for each value
///     value   2^k .. 2^(k+1)  32 buckets of equal width, for each k from 5 to 63
///
/// A bucket is at most 1/32 (3.1 %) wider than its lower bound. Memory is fixed (15 KiB); adding is a few
/// instructions. A percentile is exact to its bucket; count, sum and maximum are exact.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace kmemlab {

class Histogram {
  public:
    static constexpr unsigned precision_bits = 5;
    static constexpr std::size_t linear = std::size_t{1} << precision_bits;
    static constexpr std::size_t bucket_count = (64 - precision_bits + 1) * linear;

    Histogram() = default;
    /// Of what filled(), sum() and max() told of another one.
    Histogram(std::span<const std::pair<std::uint64_t, std::uint64_t>> filled, double sum, std::uint64_t max)
        : sum_{sum}, max_{max} {
        for (const auto& [value, count] : filled) {
            buckets_[bucket_of(value)] += count;
            count_ += count;
        }
    }

    void add(std::uint64_t value) {
        ++buckets_[bucket_of(value)];
        ++count_;
        sum_ += static_cast<double>(value);
        max_ = std::max(max_, value);
    }
    void add(const Histogram& other) {
        for (std::size_t i = 0; i < bucket_count; ++i) buckets_[i] += other.buckets_[i];
        count_ += other.count_;
        sum_ += other.sum_;
        max_ = std::max(max_, other.max_);
    }

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t max() const { return max_; }
    [[nodiscard]] double sum() const { return sum_; }
    /// 0 if there are no values.
    [[nodiscard]] double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

    /// The least upper bound of a bucket such that at least `percent` of all values lie at or below it
    /// (nearest rank), at most the maximum. 0 if there are no values.
    [[nodiscard]] std::uint64_t percentile(double percent) const {
        const double exact = percent / 100.0 * static_cast<double>(count_);
        // A percentage such as 99.99 is not exact in binary: a rank a hair above a whole number is that one.
        const auto rank = static_cast<std::uint64_t>(std::ceil(exact - 1e-9 * exact));
        std::uint64_t below = 0;
        for (std::size_t i = 0; i < bucket_count; ++i) {
            below += buckets_[i];
            if (below > 0 && below >= rank) return std::min(upper_bound(i), max_);
        }
        return max_;
    }

    /// {largest value of the bucket, count} of each bucket that has values, ascending.
    [[nodiscard]] std::vector<std::pair<std::uint64_t, std::uint64_t>> filled() const {
        std::vector<std::pair<std::uint64_t, std::uint64_t>> result;
        for (std::size_t i = 0; i < bucket_count; ++i) {
            if (buckets_[i] != 0) result.emplace_back(std::min(upper_bound(i), max_), buckets_[i]);
        }
        return result;
    }

    [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t value) {
        if (value < linear) return static_cast<std::size_t>(value);
        const auto exponent = static_cast<unsigned>(std::bit_width(value)) - 1;
        const unsigned shift = exponent - precision_bits;
        return (std::size_t{shift} + 1) * linear + static_cast<std::size_t>((value >> shift) - linear);
    }
    /// The largest value that falls into a bucket.
    [[nodiscard]] static constexpr std::uint64_t upper_bound(std::size_t bucket) {
        if (bucket < linear) return bucket;
        const std::size_t shift = bucket / linear - 1;
        const std::uint64_t lower = (linear + bucket % linear) << shift;
        return lower + ((std::uint64_t{1} << shift) - 1);
    }

  private:
    std::array<std::uint64_t, bucket_count> buckets_{};
    std::uint64_t count_ = 0;
    double sum_ = 0;
    std::uint64_t max_ = 0;
};

static_assert(Histogram::bucket_of(31) == 31 && Histogram::bucket_of(32) == 32);
static_assert(Histogram::bucket_of(63) == 63 && Histogram::bucket_of(64) == 64);
static_assert(Histogram::bucket_of(65) == 64 && Histogram::upper_bound(64) == 65);
static_assert(Histogram::bucket_of(~std::uint64_t{0}) == Histogram::bucket_count - 1);
static_assert(Histogram::upper_bound(Histogram::bucket_count - 1) == ~std::uint64_t{0});

}  // namespace kmemlab

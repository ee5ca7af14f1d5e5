/// Latencies of single operations: the raw samples of one pass, and the book they are entered into.
///
/// During a pass a sample is six bytes written in sequence, so that measuring disturbs the caches little;
/// histograms are filled afterwards.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "allocators/base/path.hpp"
#include "bench/measure/cycle_counter.hpp"
#include "bench/measure/histogram.hpp"
#include "bench/replay/workload.hpp"

namespace kmemlab::replay {

class LatencySamples {
  public:
    explicit LatencySamples(std::size_t operations)
        : ticks_(operations, no_sample), paths_(operations, Path::opaque) {}

    void set(std::size_t operation, std::uint64_t ticks, Path path) {
        ticks_[operation] = ticks < no_sample ? static_cast<std::uint32_t>(ticks) : no_sample - 1;
        paths_[operation] = path;
    }
    /// Free of something that had not been got.
    void skip(std::size_t operation) { ticks_[operation] = no_sample; }

    [[nodiscard]] std::size_t size() const { return ticks_.size(); }
    [[nodiscard]] bool has(std::size_t operation) const { return ticks_[operation] != no_sample; }
    [[nodiscard]] std::uint32_t ticks(std::size_t operation) const { return ticks_[operation]; }
    [[nodiscard]] Path path(std::size_t operation) const { return paths_[operation]; }

  private:
    static constexpr std::uint32_t no_sample = std::numeric_limits<std::uint32_t>::max();

    std::vector<std::uint32_t> ticks_;
    std::vector<Path> paths_;
};

/// Histograms of ticks, the timer's cost subtracted, over all passes.
class LatencyBook {
  public:
    using Key = std::pair<OperationKind, Path>;

    /// Mean ticks per kind in this pass.
    using Means = std::map<OperationKind, double>;

    Means enter(const Workload& work, const LatencySamples& samples, const TimerCost& timer) {
        constexpr std::size_t kinds = std::size_t{2} * trace::kind_count;
        std::array<double, kinds> sums{};
        std::array<std::uint64_t, kinds> counts{};
        for (std::size_t i = 0; i < samples.size(); ++i) {
            if (!samples.has(i)) continue;
            const OperationKind kind = work.kind(i);
            const std::size_t index = 2 * static_cast<std::size_t>(kind.kind) + (kind.other_cpu ? 1 : 0);
            const std::uint64_t ticks = timer.net(samples.ticks(i));
            by_path_[{kind, samples.path(i)}].add(ticks);
            sums[index] += static_cast<double>(ticks);
            ++counts[index];
        }
        Means means;
        for (std::size_t k = 0; k < counts.size(); ++k) {
            if (counts[k] == 0) continue;
            means[{static_cast<trace::Kind>(k / 2), k % 2 != 0}] = sums[k] / static_cast<double>(counts[k]);
        }
        return means;
    }

    void enter(Key key, const Histogram& ticks) { by_path_[key].add(ticks); }

    [[nodiscard]] const std::map<Key, Histogram>& by_path() const { return by_path_; }
    [[nodiscard]] std::map<OperationKind, Histogram> by_kind() const {
        std::map<OperationKind, Histogram> kinds;
        for (const auto& [key, histogram] : by_path_) kinds[key.first].add(histogram);
        return kinds;
    }

  private:
    std::map<Key, Histogram> by_path_;
};

}  // namespace kmemlab::replay

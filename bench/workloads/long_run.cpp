/// A recorded kernel that goes on for much longer than it was recorded.
///
/// Each turn copies a run of consecutive allocations from a random place of the recording (around its end the
/// recording begins anew, so that each allocation is copied equally often): sizes, caches, orders, flags are
/// the recording's. How long something lives, counted in allocations, is the recording's as well. Of what the
/// recording does not see freed it tells only that it lived longer than that: it then lives as one of the
/// same size or cache that lived longer, drawn among them (Efron's redistribution to the right, which makes
/// the estimate of Kaplan and Meier); if there is none, one to two recordings' lengths.
#include <algorithm>
#include <map>
#include <queue>
#include <utility>

#include "allocators/base/check.hpp"
#include "bench/workloads/play.hpp"
#include "bench/workloads/workload_list.hpp"

namespace kmemlab::workloads {
namespace {

using trace::Operation;

struct Sample {
    Operation allocation;
    std::uint64_t lifetime = 0;  ///< allocations until its free, or until the end of the recording
    bool freed = false;
    bool elsewhere = false;  ///< freed on another CPU
};

/// Of each allocation of a recording, how long it lived.
std::vector<Sample> samples_of(const trace::Trace& recording) {
    std::array<std::vector<std::size_t>, trace::layer_count> live;
    for (unsigned i = 0; i < trace::layer_count; ++i) live[i].resize(recording.slots_per_layer[i]);
    std::vector<Sample> samples;
    for (const Operation& op : recording.operations) {
        if (op.kind() == trace::Kind::vmap_purge) continue;
        std::size_t& place = live[static_cast<unsigned>(trace::layer_of(op.kind()))][op.object()];
        if (trace::is_allocation(op.kind())) {
            place = samples.size();
            samples.push_back({op});
            continue;
        }
        Sample& sample = samples[place];
        sample.lifetime = samples.size() - place;
        sample.freed = true;
        sample.elsewhere = sample.allocation.cpu() != op.cpu();
    }
    for (std::size_t i = 0; i < samples.size(); ++i) {
        if (!samples[i].freed) samples[i].lifetime = samples.size() - i;
    }
    return samples;
}

/// Lifetimes of what was allocated alike: same call, same cache, size or order.
class Lifetimes {
  public:
    explicit Lifetimes(const std::vector<Sample>& samples) : window_{samples.size()} {
        for (const Sample& sample : samples) {
            kinds_[key(sample)].push_back({sample.lifetime, sample.freed});
        }
        for (auto& [key, lives] : kinds_) std::sort(lives.begin(), lives.end());
    }

    [[nodiscard]] std::uint64_t draw(const Sample& sample, Dice& dice) const {
        if (sample.freed) return sample.lifetime;
        const auto& lives = kinds_.at(key(sample));
        std::pair<std::uint64_t, bool> life{sample.lifetime, true};
        while (true) {
            const auto longer = std::upper_bound(lives.begin(), lives.end(), life);
            const auto count = static_cast<std::uint64_t>(lives.end() - longer);
            if (count == 0) return window_ + dice.below(window_);
            life = longer[static_cast<std::ptrdiff_t>(dice.below(count))];
            if (life.second) return life.first;
            life.second = true;  // behind all of the same lifetime
        }
    }

  private:
    using Key = std::pair<trace::Kind, std::uint32_t>;
    static Key key(const Sample& sample) { return {sample.allocation.kind(), sample.allocation.amount()}; }

    std::uint64_t window_;
    std::map<Key, std::vector<std::pair<std::uint64_t, bool>>> kinds_;  ///< (lifetime, freed), ascending
};

class LongRun {
  public:
    static constexpr WorkloadInfo info{
        "long-run",
        "a recorded kernel that goes on for long: its sizes and lifetimes, drawn again and again, fragment "
        "memory",
        "sizes, caches, orders and lifetimes: the recording named by `from`",
        "what the recording asks for: caches, objects, pages, areas",
        "a run of consecutive allocations of the recording, each after the frees that are due"};
    struct Config : Basics {
        Config() : Basics{2} {}
        std::string from = "bench/traces/forkstorm.trace.zst";
        std::uint64_t run = 64;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {file_tunable("from", "the recording, of any form; no comma in its name", from),
                 integer_tunable("run", "consecutive allocations copied at once", run, 1, 1'000'000)});
        }
    };

    LongRun(const Config& config, Maker& maker) : LongRun{config, maker, trace::read_trace(config.from)} {}

    void turn(CpuId cpu) {
        std::size_t place = dice_.below(samples_.size());
        for (std::uint64_t i = 0; i < run_; ++i, place = (place + 1) % samples_.size()) {
            free_due();
            allocate(samples_[place], cpu);
        }
    }
    void end() {
        while (!due_.empty()) free_next();
    }

  private:
    struct End {
        std::uint64_t time = 0;  ///< allocations of the run before it
        std::uint64_t number = 0;
        Object object;
        CpuId cpu;
        /// For a queue whose top is the least.
        friend bool operator<(const End& a, const End& b) {
            return std::pair{a.time, a.number} > std::pair{b.time, b.number};
        }
    };

    LongRun(const Config& config, Maker& maker, const trace::Trace& recording)
        : maker_{maker},
          dice_{config.seed},
          samples_{samples_of(recording)},
          lifetimes_{samples_},
          threads_{config.cpus()},
          run_{config.run} {
        if (samples_.empty()) throw UsageError::of("{}: no allocation to draw from", config.from);
        for (const trace::Cache& cache : recording.caches) maker.cache(cache.name, cache.object_size);
    }

    void allocate(const Sample& sample, CpuId cpu) {
        const Object object = maker_.like(sample.allocation, cpu);
        const CpuId other{(cpu.value() + 1) % threads_};
        due_.push({now_ + lifetimes_.draw(sample, dice_), now_, object, sample.elsewhere ? other : cpu});
        ++now_;
    }
    void free_due() {
        while (!due_.empty() && due_.top().time <= now_) free_next();
    }
    void free_next() {
        maker_.free(due_.top().object, due_.top().cpu);
        due_.pop();
    }

    Maker& maker_;
    Dice dice_;
    std::vector<Sample> samples_;
    Lifetimes lifetimes_;
    unsigned threads_;
    std::uint64_t run_;
    std::priority_queue<End> due_;
    std::uint64_t now_ = 0;
};

}  // namespace

Workload long_run() {
    return entry<LongRun>();
}

}  // namespace kmemlab::workloads

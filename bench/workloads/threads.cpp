/// Benchmarks of the literature whose threads work on objects of their own: what they share is the allocator.
#include "bench/workloads/play.hpp"
#include "bench/workloads/waves.hpp"
#include "bench/workloads/workload_list.hpp"

namespace kmemlab::workloads {
namespace {

class Larson {
  public:
    static constexpr WorkloadInfo info{
        "larson",
        "a server: each thread replaces random objects of its array by others of random size; after a while "
        "the next thread gets the array",
        "Larson and Krishnan: Memory allocation for long-running server applications, ISMM 1998", "objects",
        "one object replaced"};
    struct Config : Basics {
        std::uint64_t objects = 1000;
        std::uint64_t min = 8;
        std::uint64_t max = 1000;
        std::uint64_t rounds = 10'000;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {integer_tunable("objects", "in the array of a thread", objects, 1, 1'000'000),
                 integer_tunable("min", "bytes of the smallest object", min, 1, largest_object),
                 integer_tunable("max", "bytes of the largest object", max, 1, largest_object),
                 integer_tunable("rounds", "objects replaced before arrays change hands", rounds, 1,
                                 1U << 30)});
        }
    };
    Larson(const Config& config, Maker& maker)
        : maker_{maker}, config_{config}, dice_{config.seed}, arrays_(config.threads) {
        check_sizes(config.min, config.max);
    }

    void turn(CpuId cpu) {
        const std::uint64_t shift = turns_++ / config_.threads / config_.rounds;
        // Each array moves to the next thread, so a thread gets that of the one before.
        auto& array = arrays_[(cpu.value() + shift * (config_.threads - 1)) % config_.threads];
        if (array.size() < config_.objects) {
            while (array.size() < config_.objects) array.push_back(fresh(cpu));
            return;
        }
        Object& object = array[dice_.below(array.size())];
        maker_.free(object, cpu);
        object = fresh(cpu);
    }

  private:
    Object fresh(CpuId cpu) { return maker_.kmalloc(dice_.between(config_.min, config_.max), cpu); }

    Maker& maker_;
    Config config_;
    Dice dice_;
    std::vector<std::vector<Object>> arrays_;
    std::uint64_t turns_ = 0;
};

class Scratch {
  public:
    static constexpr WorkloadInfo info{
        "cache-scratch",
        "one thread allocates small objects side by side and gives one to each; each frees it and goes on "
        "allocating and freeing (passive false sharing)",
        "Berger et al.: Hoard, ASPLOS 2000", "objects",
        "the free of what was given, or one allocation and its free"};
    struct Config : Basics {
        Config() : Basics{4, 1, Luck::none} {}
        std::uint64_t size = 8;
        std::uint64_t pairs = 100;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {integer_tunable("size", "bytes of an object", size, 1, largest_object),
                 integer_tunable("pairs", "that a thread allocates and frees before objects are given anew",
                                 pairs, 1, 1U << 30)});
        }
    };
    Scratch(const Config& config, Maker& maker) : maker_{maker}, config_{config} {}

    void turn(CpuId cpu) {
        if (turns_++ / config_.threads % (config_.pairs + 1) != 0) {
            return maker_.free(maker_.kmalloc(config_.size, cpu), cpu);
        }
        if (cpu == CpuId{0}) {
            given_.clear();
            for (std::uint64_t i = 0; i < config_.threads; ++i)
                given_.push_back(maker_.kmalloc(config_.size, cpu));
        }
        maker_.free(given_[cpu.value()], cpu);
    }

  private:
    Maker& maker_;
    Config config_;
    std::vector<Object> given_;  ///< to each thread, by thread 0
    std::uint64_t turns_ = 0;
};

class Thrash {
  public:
    static constexpr WorkloadInfo info{
        "cache-thrash",
        "each thread allocates a small object, writes it, and frees it (active false sharing)",
        "Berger et al.: Hoard, ASPLOS 2000", "objects",
        "one operation, so that all threads' objects live at once"};
    struct Config : Basics {
        Config() : Basics{4, 1, Luck::none} {}
        std::uint64_t size = 8;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables({integer_tunable("size", "bytes of an object", size, 1, largest_object)});
        }
    };
    Thrash(const Config& config, Maker& maker)
        : maker_{maker}, size_{config.size}, held_(config.threads), holds_(config.threads) {}

    void turn(CpuId cpu) {
        Object& object = held_[cpu.value()];
        if (holds_[cpu.value()]) {
            maker_.free(object, cpu);
        } else {
            object = maker_.kmalloc(size_, cpu);
        }
        holds_[cpu.value()].flip();
    }

  private:
    Maker& maker_;
    std::uint64_t size_;
    std::vector<Object> held_;
    std::vector<bool> holds_;
};

class Threadtest : public Waves {
  public:
    static constexpr WorkloadInfo info{
        "threadtest",
        "each thread allocates its share of many small objects, then frees them, and nothing is shared",
        "Berger et al.: Hoard, ASPLOS 2000", "objects", "one operation"};
    struct Config : Basics {
        Config() : Basics{4, 1, Luck::none} {}
        std::uint64_t objects = 100'000;
        std::uint64_t size = 8;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {integer_tunable("objects", "shared evenly among the threads", objects, 1, 10'000'000),
                 integer_tunable("size", "bytes of an object", size, 1, largest_object)});
        }
    };
    Threadtest(const Config& config, Maker& maker)
        : Waves{maker, config.cpus(), share(config.objects, config.threads)}, size_{config.size} {}

  protected:
    Object allocate(CpuId cpu) override { return maker().kmalloc(size_, cpu); }

  private:
    std::uint64_t size_;
};

}  // namespace

Workload larson() {
    return entry<Larson>();
}
Workload cache_scratch() {
    return entry<Scratch>();
}
Workload cache_thrash() {
    return entry<Thrash>();
}
Workload threadtest() {
    return entry<Threadtest>();
}

}  // namespace kmemlab::workloads

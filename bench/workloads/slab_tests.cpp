/// The benchmarks that kernel developers measure slab allocators with.
#include <array>

#include "bench/workloads/play.hpp"
#include "bench/workloads/waves.hpp"
#include "bench/workloads/workload_list.hpp"

namespace kmemlab::workloads {
namespace {

Tunable size_tunable(std::uint64_t& size) {
    return integer_tunable("size", "bytes of an object", size, 1, largest_object);
}

class Fastpath {
  public:
    static constexpr WorkloadInfo info{
        "slab-fastpath", "an object of a cache is allocated and freed at once, again and again",
        "fast-path reuse of Brouer's slab_bulk_test01, in the commits of the bulk calls, 2015", "caches",
        "one allocation and its free"};
    struct Config : Basics {
        Config() : Basics{1, 1, Luck::none} {}
        std::uint64_t size = 256;
        [[nodiscard]] std::vector<Tunable> tunables() { return Basics::tunables({size_tunable(size)}); }
    };
    Fastpath(const Config& config, Maker& maker)
        : maker_{maker}, cache_{maker.cache("fastpath", static_cast<std::uint32_t>(config.size))} {}

    void turn(CpuId cpu) { maker_.free(maker_.cache_alloc(cache_, cpu), cpu); }

  private:
    Maker& maker_;
    std::uint32_t cache_;
};

class Pattern : public Waves {
  public:
    static constexpr WorkloadInfo info{
        "slab-pattern",
        "objects 0..n-1 of one size are allocated, then freed in that order; the size doubles each time",
        "Lameter's in-kernel benchmark of slab allocators, 2007", "objects", "one operation"};
    struct Config : Basics {
        Config() : Basics{1} {}
        std::uint64_t objects = 10'000;
        std::uint64_t min = 8;
        std::uint64_t max = 4096;
        Sequence frees = Sequence::fifo;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {integer_tunable("objects", "of a thread, allocated before any is freed", objects, 1,
                                 1'000'000),
                 integer_tunable("min", "bytes of the first size", min, 1, largest_object),
                 integer_tunable("max", "bytes beyond which the sizes begin anew", max, 1, largest_object),
                 sequence_tunable("frees", "in which order", frees)});
        }
    };
    Pattern(const Config& config, Maker& maker)
        : Waves{maker, config.cpus(), config.objects},
          config_{config},
          dice_{config.seed},
          sizes_(config.threads, config.min) {
        check_sizes(config.min, config.max);
    }

  protected:
    Object allocate(CpuId cpu) override { return maker().kmalloc(sizes_[cpu.value()], cpu); }
    std::vector<Object> in_order_of_frees(std::vector<Object> objects) override {
        return arranged(std::move(objects), config_.frees, dice_);
    }
    void next_wave(CpuId cpu) override {
        std::uint64_t& size = sizes_[cpu.value()];
        size = 2 * size > config_.max ? config_.min : 2 * size;
    }

  private:
    Config config_;
    Dice dice_;
    std::vector<std::uint64_t> sizes_;  ///< of each thread's wave
};

class Bulks {
  public:
    static constexpr WorkloadInfo info{"slab-bulk",
                                       "n objects of a cache at once, then n frees, n going from 1 to 250",
                                       "Brouer's slab_bulk_test01, in the commits of the bulk calls, 2015; "
                                       "one by one here, a trace has no bulk calls",
                                       "caches", "n allocations and n frees, oldest first"};
    struct Config : Basics {
        Config() : Basics{1, 1, Luck::none} {}
        std::uint64_t size = 256;
        std::uint64_t rounds = 100;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {size_tunable(size),
                 integer_tunable("rounds", "with one n before the next one", rounds, 1, 1'000'000)});
        }
    };
    Bulks(const Config& config, Maker& maker)
        : maker_{maker},
          cache_{maker.cache("bulk", static_cast<std::uint32_t>(config.size))},
          rounds_{config.rounds},
          done_(config.threads) {}

    void turn(CpuId cpu) {
        const std::uint64_t round = done_[cpu.value()]++ / rounds_;
        objects_.clear();
        for (unsigned i = 0; i < bulks[round % bulks.size()]; ++i) {
            objects_.push_back(maker_.cache_alloc(cache_, cpu));
        }
        for (const Object object : objects_) maker_.free(object, cpu);
    }

  private:
    /// Sizes of a bulk, as its results are reported.
    static constexpr std::array bulks{1U, 2U, 3U, 4U, 8U, 16U, 30U, 32U, 34U, 48U, 64U, 128U, 158U, 250U};

    Maker& maker_;
    std::uint32_t cache_;
    std::uint64_t rounds_;
    std::vector<std::uint64_t> done_;  ///< turns of each thread
    std::vector<Object> objects_;
};

}  // namespace

Workload slab_fastpath() {
    return entry<Fastpath>();
}
Workload slab_pattern() {
    return entry<Pattern>();
}
Workload slab_bulk() {
    return entry<Bulks>();
}

}  // namespace kmemlab::workloads

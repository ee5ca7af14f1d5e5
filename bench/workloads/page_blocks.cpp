/// Blocks of pages, as LLFree was compared with the kernel's page allocator.
#include "bench/workloads/play.hpp"
#include "bench/workloads/waves.hpp"
#include "bench/workloads/workload_list.hpp"

namespace kmemlab::workloads {
namespace {

struct BlocksConfig : Basics {
    using Basics::Basics;
    std::uint64_t blocks = 65536;
    std::uint64_t order = 0;
    [[nodiscard]] std::vector<Tunable> tunables(std::vector<Tunable> own = {}) {
        std::vector<Tunable> all{
            integer_tunable("blocks", "of pages, shared evenly among the threads", blocks, 1, 1U << 24),
            integer_tunable("order", "of a block: 2^order pages", order, 0, max_order.value())};
        for (Tunable& tunable : own) all.push_back(std::move(tunable));
        return Basics::tunables(std::move(all));
    }
    [[nodiscard]] Order block() const { return Order{static_cast<unsigned>(order)}; }
    [[nodiscard]] std::uint64_t of_thread() const { return share(blocks, threads); }
};

class Bulk : public Waves {
  public:
    static constexpr WorkloadInfo info{
        "llfree-bulk", "all threads allocate many blocks of pages, then all free them in the same order",
        "bulk of Wrenger et al.: LLFree, USENIX ATC 2023", "pages", "one operation"};
    struct Config : BlocksConfig {
        Config() : BlocksConfig{4, 1, Luck::none} {}
    };
    Bulk(const Config& config, Maker& maker)
        : Waves{maker, config.cpus(), config.of_thread()}, order_{config.block()} {}

  protected:
    Object allocate(CpuId cpu) override { return maker().user_pages(order_, cpu); }

  private:
    Order order_;
};

class Repeat {
  public:
    static constexpr WorkloadInfo info{
        "llfree-repeat", "each thread frees its block of pages and allocates one again",
        "repeat of Wrenger et al.: LLFree, USENIX ATC 2023", "pages", "one free and one allocation"};
    struct Config : Basics {
        Config() : Basics{4, 1, Luck::none} {}
        std::uint64_t order = 0;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {integer_tunable("order", "of a block: 2^order pages", order, 0, max_order.value())});
        }
    };
    Repeat(const Config& config, Maker& maker)
        : maker_{maker}, order_{static_cast<unsigned>(config.order)}, held_(config.threads) {}

    void turn(CpuId cpu) {
        auto& held = held_[cpu.value()];
        if (!held.empty()) maker_.free(held.front(), cpu);
        held.assign(1, maker_.user_pages(order_, cpu));
    }

  private:
    Maker& maker_;
    Order order_;
    std::vector<std::vector<Object>> held_;  ///< by each thread, one at most
};

/// Threads that hold `of_thread` blocks each, thinned once, and then exchange some for others again and
/// again.
class Exchange {
  public:
    Exchange(const BlocksConfig& config, Maker& maker, std::uint64_t keep_percent, std::uint64_t percent)
        : maker_{maker},
          order_{config.block()},
          dice_{config.seed},
          crews_(config.threads),
          whole_{config.of_thread()},
          kept_{std::max<std::uint64_t>(1, whole_ * keep_percent / 100)},
          exchanged_{std::max<std::uint64_t>(1, kept_ * percent / 100)} {}

    void turn(CpuId cpu) {
        Crew& crew = crews_[cpu.value()];
        if (crew.grows) {
            crew.held.push_back(maker_.user_pages(order_, cpu));
            crew.grows = crew.held.size() < (crew.filled ? kept_ : whole_);
            return;
        }
        maker_.free(dice_.take(crew.held), cpu);
        if (crew.filled) {
            crew.grows = crew.held.size() <= kept_ - exchanged_;
        } else {
            crew.filled = crew.held.size() <= kept_;
        }
    }

  private:
    struct Crew {
        std::vector<Object> held;
        bool grows = true;
        bool filled = false;  ///< has held all, and been thinned
    };

    Maker& maker_;
    Order order_;
    Dice dice_;
    std::vector<Crew> crews_;
    std::uint64_t whole_;
    std::uint64_t kept_;
    std::uint64_t exchanged_;
};

class Random : public Exchange {
  public:
    static constexpr WorkloadInfo info{
        "llfree-random",
        "each thread frees a share of its blocks of pages, drawn at random, and allocates as many",
        "rand of Wrenger et al.: LLFree, USENIX ATC 2023", "pages", "one operation"};
    struct Config : BlocksConfig {
        std::uint64_t percent = 10;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return BlocksConfig::tunables({integer_tunable(
                "percent", "of the blocks, freed before as many are allocated", percent, 1, 100)});
        }
    };
    Random(const Config& config, Maker& maker) : Exchange{config, maker, 100, config.percent} {}
};

class Frag : public Exchange {
  public:
    static constexpr WorkloadInfo info{"llfree-frag",
                                       "memory is filled, thinned at random, and exchanged at random; how "
                                       "many huge pages are free in the end?",
                                       "frag of Wrenger et al.: LLFree, USENIX ATC 2023", "pages",
                                       "one operation"};
    struct Config : BlocksConfig {
        std::uint64_t keep = 50;
        std::uint64_t percent = 10;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return BlocksConfig::tunables(
                {integer_tunable("keep", "percent of the blocks that stay when memory is thinned", keep, 1,
                                 100),
                 integer_tunable("percent", "of those, freed before as many are allocated", percent, 1,
                                 100)});
        }
    };
    Frag(const Config& config, Maker& maker) : Exchange{config, maker, config.keep, config.percent} {}
};

}  // namespace

Workload llfree_bulk() {
    return entry<Bulk>();
}
Workload llfree_repeat() {
    return entry<Repeat>();
}
Workload llfree_random() {
    return entry<Random>();
}
Workload llfree_frag() {
    return entry<Frag>();
}

}  // namespace kmemlab::workloads

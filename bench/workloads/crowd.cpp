/// Benchmarks of the literature whose threads free what others allocated.
#include <deque>

#include "bench/workloads/play.hpp"
#include "bench/workloads/workload_list.hpp"

namespace kmemlab::workloads {
namespace {

class Xmalloc {
  public:
    static constexpr WorkloadInfo info{
        "xmalloc", "threads of even number only allocate, those of odd number only free what came first",
        "Lever and Boreham: malloc() performance in a multithreaded Linux environment, USENIX 2000",
        "objects", "one batch allocated, or the oldest batch freed"};
    struct Config : Basics {
        Config() : Basics{4, 2, Luck::none} {}
        std::uint64_t size = 64;
        std::uint64_t batch = 100;
        std::uint64_t depth = 100;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {integer_tunable("size", "bytes of an object", size, 1, largest_object),
                 integer_tunable("batch", "objects handed over at once", batch, 1, 100'000),
                 integer_tunable("depth", "batches that wait before producers pause", depth, 1, 100'000)});
        }
    };
    Xmalloc(const Config& config, Maker& maker) : maker_{maker}, config_{config} {}

    void turn(CpuId cpu) {
        if (cpu.value() % 2 == 1) return consume(cpu);
        if (waiting_.size() == config_.depth) return;
        std::vector<Object> batch;
        for (std::uint64_t i = 0; i < config_.batch; ++i) batch.push_back(maker_.kmalloc(config_.size, cpu));
        waiting_.push_back(std::move(batch));
    }
    void end() {
        while (!waiting_.empty()) consume(CpuId{1});
    }

  private:
    void consume(CpuId cpu) {
        if (waiting_.empty()) return;
        for (const Object object : waiting_.front()) maker_.free(object, cpu);
        waiting_.pop_front();
    }

    Maker& maker_;
    Config config_;
    std::deque<std::vector<Object>> waiting_;
};

class Messages {
  public:
    static constexpr WorkloadInfo info{
        "messages", "each thread sends messages to others at random; one is freed by whom it reaches last",
        "message passing as Lietar et al. mean it: snmalloc, ISMM 2019", "objects",
        "one message allocated and sent, and all that have come passed on or freed"};
    struct Config : Basics {
        Config() : Basics{4, 2} {}
        std::uint64_t min = 16;
        std::uint64_t max = 512;
        std::uint64_t hops = 2;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {integer_tunable("min", "bytes of the smallest message", min, 1, largest_object),
                 integer_tunable("max", "bytes of the largest message", max, 1, largest_object),
                 integer_tunable("hops", "threads that a message reaches", hops, 1, 1000)});
        }
    };
    Messages(const Config& config, Maker& maker)
        : maker_{maker}, config_{config}, dice_{config.seed}, boxes_(config.threads) {
        check_sizes(config.min, config.max);
    }

    void turn(CpuId cpu) {
        send({maker_.kmalloc(dice_.between(config_.min, config_.max), cpu), config_.hops}, cpu);
        std::vector<Message> come;
        come.swap(boxes_[cpu.value()]);
        for (Message message : come) {
            if (--message.hops == 0) {
                maker_.free(message.object, cpu);
            } else {
                send(message, cpu);
            }
        }
    }

  private:
    struct Message {
        Object object;
        std::uint64_t hops = 0;  ///< threads that it has still to reach
    };

    /// To anybody else.
    void send(const Message& message, CpuId from) {
        const std::uint64_t step = 1 + dice_.below(boxes_.size() - 1);
        boxes_[(from.value() + step) % boxes_.size()].push_back(message);
    }

    Maker& maker_;
    Config config_;
    Dice dice_;
    std::vector<std::vector<Message>> boxes_;
};

class Mstress {
  public:
    static constexpr WorkloadInfo info{
        "mstress",
        "threads with unequal work allocate sizes of powers of two, exchange objects, and end after a phase; "
        "some objects live on in the next phase's threads",
        "Leijen, Zorn and de Moura: Mimalloc, MSR-TR-2019-18", "objects",
        "one object allocated, or freed, or exchanged; thread k does so in one of 1 + k % 4 turns"};
    struct Config : Basics {
        std::uint64_t phase = 20'000;
        std::uint64_t survive = 10;
        std::uint64_t exchange = 10;
        std::uint64_t largest = 4096;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {integer_tunable("phase", "turns of all threads together", phase, 1, 1U << 30),
                 integer_tunable("survive", "percent of the objects that live on", survive, 0, 100),
                 integer_tunable("exchange", "percent of the steps that exchange", exchange, 0, 90),
                 integer_tunable("largest", "bytes of the largest object; the smallest has 8", largest, 8,
                                 largest_object)});
        }
    };
    Mstress(const Config& config, Maker& maker)
        : maker_{maker}, config_{config}, dice_{config.seed}, held_(config.threads) {}

    void turn(CpuId cpu) {
        if (++turns_ % config_.phase == 0) next_phase();
        if (turns_ / config_.threads % (1 + cpu.value() % 4) == 0) step(cpu);
    }

  private:
    static constexpr std::size_t table_size = 64;

    void step(CpuId cpu) {
        auto& held = held_[cpu.value()];
        if (!held.empty() && dice_.percent(config_.exchange)) return exchange(held);
        // Six of ten allocate, so that a phase grows.
        if (held.empty() || dice_.percent(60)) {
            held.push_back(maker_.kmalloc(size(), cpu));
        } else {
            maker_.free(dice_.take(held), cpu);
        }
    }
    /// An object goes to a table that all threads see, for what lay there.
    void exchange(std::vector<Object>& held) {
        table_.push_back(dice_.take(held));
        if (table_.size() > table_size) held.push_back(dice_.take(table_));
    }
    /// Powers of two from 8, half as many of each next one.
    std::uint64_t size() {
        std::uint64_t bytes = 8;
        while (2 * bytes <= config_.largest && dice_.below(2) == 0) bytes *= 2;
        return bytes;
    }
    /// All threads end and free what they hold; what survives is the next threads', on other CPUs.
    void next_phase() {
        std::vector<std::vector<Object>> next(held_.size());
        for (unsigned cpu = 0; cpu < held_.size(); ++cpu) {
            for (const Object object : held_[cpu]) {
                if (dice_.percent(config_.survive)) {
                    next[(cpu + 1) % held_.size()].push_back(object);
                } else {
                    maker_.free(object, CpuId{cpu});
                }
            }
        }
        held_ = std::move(next);
    }

    Maker& maker_;
    Config config_;
    Dice dice_;
    std::vector<std::vector<Object>> held_;
    std::vector<Object> table_;
    std::uint64_t turns_ = 0;
};

}  // namespace

Workload xmalloc() {
    return entry<Xmalloc>();
}
Workload messages() {
    return entry<Messages>();
}
Workload mstress() {
    return entry<Mstress>();
}

}  // namespace kmemlab::workloads

/// Buffers that cross CPUs: local sockets between many tasks, and packets from a network card.
#include <algorithm>
#include <array>
#include <deque>

#include "bench/workloads/play.hpp"
#include "bench/workloads/workload_list.hpp"

namespace kmemlab::workloads {
namespace {

/// sk_buffs of Linux 6.1 on x86-64: a head from its cache, and data of the payload, rounded up to a cache
/// line, with skb_shared_info behind it.
class SocketBuffers {
  public:
    struct Buffer {
        Object head;
        Object data;
    };

    explicit SocketBuffers(Maker& maker)
        : maker_{maker}, heads_{maker.cache("skbuff_head_cache", head_bytes)} {}

    Buffer allocate(std::uint64_t payload, CpuId cpu) {
        const Object head = maker_.cache_alloc(heads_, cpu);
        const std::uint64_t lines = (payload + cache_line_size - 1) / cache_line_size;
        return {head, maker_.kmalloc(lines * cache_line_size + shared_info_bytes, cpu)};
    }
    void free(const Buffer& buffer, CpuId cpu) {
        maker_.free(buffer.data, cpu);
        maker_.free(buffer.head, cpu);
    }
    void free_oldest(std::deque<Buffer>& queue, std::uint64_t most, CpuId cpu) {
        for (; most > 0 && !queue.empty(); --most) {
            free(queue.front(), cpu);
            queue.pop_front();
        }
    }

  private:
    static constexpr std::uint32_t head_bytes = 232;
    static constexpr std::uint64_t shared_info_bytes = 320;

    Maker& maker_;
    std::uint32_t heads_;
};

class Hackbench {
  public:
    static constexpr WorkloadInfo info{
        "hackbench",
        "tasks on all CPUs write small messages to sockets that tasks on other CPUs read, in bursts",
        "Russell's hackbench: messages of 100 bytes; objects as Linux 6.1 allocates them",
        "objects and caches", "a burst written to one other CPU, then a burst read"};
    struct Config : Basics {
        Config() : Basics{4, 2} {}
        std::uint64_t size = 100;
        std::uint64_t burst = 20;
        std::uint64_t backlog = 400;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {integer_tunable("size", "bytes of a message", size, 1, 65536),
                 integer_tunable("burst", "messages at most that a task writes or reads", burst, 1, 10'000),
                 integer_tunable("backlog", "messages for a CPU above which writers wait", backlog, 1,
                                 1'000'000)});
        }
    };
    Hackbench(const Config& config, Maker& maker)
        : buffers_{maker}, config_{config}, dice_{config.seed}, queues_(config.threads) {}

    void turn(CpuId cpu) {
        const std::uint64_t step = 1 + dice_.below(queues_.size() - 1);
        auto& queue = queues_[(cpu.value() + step) % queues_.size()];
        for (std::uint64_t i = dice_.between(1, config_.burst); i > 0 && queue.size() < config_.backlog;
             --i) {
            queue.push_back(buffers_.allocate(config_.size, cpu));
        }
        buffers_.free_oldest(queues_[cpu.value()], dice_.between(1, config_.burst), cpu);
    }
    void end() {
        for (unsigned cpu = 0; cpu < queues_.size(); ++cpu) {
            buffers_.free_oldest(queues_[cpu], queues_[cpu].size(), CpuId{cpu});
        }
    }

  private:
    SocketBuffers buffers_;
    Config config_;
    Dice dice_;
    std::vector<std::deque<SocketBuffers::Buffer>> queues_;  ///< what tasks of each CPU have to read
};

class Network {
  public:
    static constexpr WorkloadInfo info{
        "network",
        "packets come in polls of up to 64; some are sent on and freed where they came, the others freed "
        "where their program runs",
        "sizes: the simple IMIX, 7 of 40, 4 of 576 and 1 of 1500 bytes; polls: the weight of NAPI; objects "
        "as Linux 6.1 allocates them",
        "objects and caches",
        "one poll, then the packets of the poll before and those read by programs are freed"};
    struct Config : Basics {
        std::uint64_t poll = 64;
        std::uint64_t forwarded = 30;
        std::uint64_t steered = 50;
        [[nodiscard]] std::vector<Tunable> tunables() {
            return Basics::tunables(
                {integer_tunable("poll", "packets at most in one poll", poll, 1, 10'000),
                 integer_tunable("forwarded", "percent of the packets that are sent on", forwarded, 0, 100),
                 integer_tunable("steered",
                                 "percent of the others whose program runs on the CPU that they come to",
                                 steered, 0, 100)});
        }
    };
    Network(const Config& config, Maker& maker)
        : buffers_{maker},
          config_{config},
          dice_{config.seed},
          sending_(config.threads),
          reading_(config.threads) {}

    void turn(CpuId cpu) {
        std::deque<SocketBuffers::Buffer> polled;
        for (std::uint64_t i = dice_.between(1, config_.poll); i > 0; --i) {
            polled.push_back(buffers_.allocate(headroom_bytes + packet_bytes(), cpu));
        }
        // What was sent on has left by now.
        buffers_.free_oldest(sending_[cpu.value()], sending_[cpu.value()].size(), cpu);
        for (const auto& packet : polled) {
            if (dice_.percent(config_.forwarded)) {
                sending_[cpu.value()].push_back(packet);
            } else {
                const bool here = dice_.percent(config_.steered);
                reading_[here ? cpu.value() : dice_.below(reading_.size())].push_back(packet);
            }
        }
        buffers_.free_oldest(reading_[cpu.value()], reading_[cpu.value()].size(), cpu);
    }
    void end() {
        for (unsigned cpu = 0; cpu < reading_.size(); ++cpu) {
            buffers_.free_oldest(sending_[cpu], sending_[cpu].size(), CpuId{cpu});
            buffers_.free_oldest(reading_[cpu], reading_[cpu].size(), CpuId{cpu});
        }
    }

  private:
    static constexpr std::uint64_t headroom_bytes = 64;  ///< NET_SKB_PAD

    std::uint64_t packet_bytes() {
        constexpr std::array<std::uint64_t, 12> imix{40, 40, 40, 40, 40, 40, 40, 576, 576, 576, 576, 1500};
        return imix[dice_.below(imix.size())];
    }

    SocketBuffers buffers_;
    Config config_;
    Dice dice_;
    std::vector<std::deque<SocketBuffers::Buffer>> sending_;
    std::vector<std::deque<SocketBuffers::Buffer>> reading_;
};

}  // namespace

Workload hackbench() {
    return entry<Hackbench>();
}
Workload network() {
    return entry<Network>();
}

}  // namespace kmemlab::workloads

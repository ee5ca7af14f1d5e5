#include "bench/workloads/waves.hpp"

#include <algorithm>
#include <utility>

#include "bench/workloads/play.hpp"
#include "bench/workloads/workload_list.hpp"

namespace kmemlab::workloads {

std::vector<Object> arranged(std::vector<Object> objects, Sequence sequence, Dice& dice) {
    if (sequence == Sequence::lifo) std::reverse(objects.begin(), objects.end());
    if (sequence != Sequence::random) return objects;
    for (std::size_t left = objects.size(); left > 1; --left) {
        std::swap(objects[left - 1], objects[dice.below(left)]);
    }
    return objects;
}

namespace {

struct MixConfig : Basics {
    using Basics::Basics;
    std::uint64_t objects = 1000;
    std::uint64_t min = 8;
    std::uint64_t max = 1024;
    [[nodiscard]] std::vector<Tunable> tunables() {
        return Basics::tunables(
            {integer_tunable("objects", "of a thread, allocated before any is freed", objects, 2, 1'000'000),
             integer_tunable("min", "bytes of the smallest object", min, 1, largest_object),
             integer_tunable("max", "bytes of the largest object", max, 1, largest_object)});
    }
};

/// A size whose power of two is drawn first, evenly: as many from 8 to 15 as from 512 to 1023.
std::uint64_t mixed_size(std::uint64_t min, std::uint64_t max, Dice& dice) {
    std::uint64_t steps = 1;
    while (min << steps <= max) ++steps;
    const std::uint64_t low = min << dice.below(steps);
    return dice.between(low, std::min(2 * low - 1, max));
}

/// The half that was allocated last is freed newest first, then the older half oldest first.
std::vector<Object> half_reversed(std::vector<Object> objects) {
    const auto half = objects.begin() + static_cast<std::ptrdiff_t>(objects.size() / 2);
    std::rotate(objects.begin(), half, objects.end());
    std::reverse(objects.begin(), objects.begin() + (objects.end() - half));
    return objects;
}

class Sh6 : public Waves {
  public:
    static constexpr WorkloadInfo info{
        "sh6", "waves of objects of mixed sizes, half of them freed newest first, the others oldest first",
        "MicroQuill's sh6bench, as Leijen, Zorn and de Moura describe it: Mimalloc, MSR-TR-2019-18",
        "objects", "one operation"};
    struct Config : MixConfig {
        Config() : MixConfig{1} {}
    };

    Sh6(const MixConfig& config, Maker& maker)
        : Waves{maker, config.cpus(), config.objects}, config_{config}, dice_{config.seed} {
        check_sizes(config.min, config.max);
    }

  protected:
    Object allocate(CpuId cpu) override {
        return maker().kmalloc(mixed_size(config_.min, config_.max, dice_), cpu);
    }
    std::vector<Object> in_order_of_frees(std::vector<Object> objects) override {
        return half_reversed(std::move(objects));
    }
    [[nodiscard]] Dice& dice() { return dice_; }

  private:
    MixConfig config_;
    Dice dice_;
};

class Sh8 : public Sh6 {
  public:
    static constexpr WorkloadInfo info{
        "sh8", "as sh6 with more threads, and every other object is freed by the next thread",
        "MicroQuill's sh8bench, as Leijen, Zorn and de Moura describe it: Mimalloc, MSR-TR-2019-18",
        "objects", "one operation; what other threads handed over is freed before"};
    struct Config : MixConfig {
        Config() : MixConfig{4, 2} {}
    };

    Sh8(const Config& config, Maker& maker) : Sh6{config, maker}, handed_(config.threads) {}

    void turn(CpuId cpu) {
        auto& handed = handed_[cpu.value()];
        for (const Object object : handed) maker().free(object, cpu);
        handed.clear();
        Sh6::turn(cpu);
    }

  protected:
    void release(Object object, CpuId cpu) override {
        stays_ = !stays_;
        if (stays_) return Sh6::release(object, cpu);
        handed_[(cpu.value() + 1) % handed_.size()].push_back(object);
    }

  private:
    std::vector<std::vector<Object>> handed_;  ///< to each thread, not freed yet
    bool stays_ = false;
};

}  // namespace

Workload sh6() {
    return entry<Sh6>();
}
Workload sh8() {
    return entry<Sh8>();
}

}  // namespace kmemlab::workloads

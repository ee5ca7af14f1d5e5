/// TargetSession: a session over a target (object_target.hpp), and its loops.
#pragma once

#include <ctime>

#include "bench/measure/cycle_counter.hpp"
#include "bench/replay/observer.hpp"
#include "bench/replay/session.hpp"

namespace kmemlab::replay {

[[nodiscard]] inline double thread_cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class Target>
class TargetSession final : public Session {
  public:
    using Config = typename Target::ModelType::Config;

    TargetSession(const Config& config, const Workload& work) : work_{work}, target_{config, work} {}

    [[nodiscard]] const ModelInfo& info() const override { return Target::ModelType::info; }
    [[nodiscard]] const Workload& work() const override { return work_; }

    [[nodiscard]] Observation observe(const ObserveOptions& options) override {
        return Observer<Target>{target_, work_, options}.run();
    }

    void warm_up() override {
        target_.open();
        untimed(work_.operations);
        untimed(work_.leftovers);
    }

    [[nodiscard]] PassTime throughput_pass() override {
        const double cpu = thread_cpu_ns();
        const std::uint64_t begin = monotonic_ns();
        untimed(work_.operations);
        const auto wall = static_cast<double>(monotonic_ns() - begin);
        const PassTime time{wall, thread_cpu_ns() - cpu};
        untimed(work_.leftovers);
        return time;
    }

    void latency_pass(LatencySamples& samples) override {
        // What came before may have left the way of its last operation on a CPU.
        for (CpuId cpu; cpu.value() < work_.cpus; ++cpu) (void)target_.machine().last_path(cpu);
        for (std::size_t i = 0; i < work_.operations.size(); ++i) timed(i, samples);
        untimed(work_.leftovers);
    }

  private:
    void untimed(const std::vector<trace::Operation>& operations) {
        for (const trace::Operation& op : operations) {
            target_.template perform<Touch::yes>(op, [](auto&& operation) { operation(); });
        }
    }

    void timed(std::size_t i, LatencySamples& samples) {
        const trace::Operation& op = work_.operations[i];
        std::uint64_t ticks = 0;
        bool performed = false;
        target_.template perform<Touch::yes>(op, [&](auto&& operation) {
            const std::uint64_t begin = CycleCounter::begin();
            operation();
            ticks = CycleCounter::end() - begin;
            performed = true;
        });
        if (!performed) return samples.skip(i);
        samples.set(i, ticks, target_.machine().last_path(op.cpu()));
    }

    const Workload& work_;
    Target target_;
};

}  // namespace kmemlab::replay

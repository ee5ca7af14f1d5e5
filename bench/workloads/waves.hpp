/// Waves: every thread allocates a number of objects, frees them all in some order, and begins again. One
/// operation a turn, so that the threads' waves mingle. Several workloads are this with other objects.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/measure/sequence.hpp"
#include "bench/workloads/maker.hpp"

namespace kmemlab::workloads {

class Waves {
  public:
    Waves(Maker& maker, unsigned threads, std::uint64_t objects)
        : maker_{maker}, crews_(threads), objects_{objects} {}
    virtual ~Waves() = default;
    Waves(const Waves&) = delete;
    Waves& operator=(const Waves&) = delete;

    void turn(CpuId cpu) {
        Crew& crew = crews_[cpu.value()];
        if (!crew.ebbs) {
            crew.held.push_back(allocate(cpu));
            crew.ebbs = crew.held.size() == objects_;
            if (crew.ebbs) crew.held = in_order_of_frees(std::move(crew.held));
            return;
        }
        release(crew.held[crew.freed++], cpu);
        if (crew.freed < crew.held.size()) return;
        crew = {};
        next_wave(cpu);
    }

  protected:
    virtual Object allocate(CpuId cpu) = 0;
    /// What was allocated, oldest first -> what is freed, first to last; all of it.
    virtual std::vector<Object> in_order_of_frees(std::vector<Object> objects) { return objects; }
    virtual void release(Object object, CpuId cpu) { maker_.free(object, cpu); }
    /// A wave of this thread has ended.
    virtual void next_wave(CpuId) {}

    [[nodiscard]] Maker& maker() { return maker_; }

  private:
    struct Crew {
        std::vector<Object> held;
        std::size_t freed = 0;
        bool ebbs = false;
    };

    Maker& maker_;
    std::vector<Crew> crews_;
    std::uint64_t objects_;
};

/// Objects in another order, as `sequence` says.
[[nodiscard]] std::vector<Object> arranged(std::vector<Object> objects, Sequence sequence, Dice& dice);

/// What each of `threads` has of `whole`: at least one.
[[nodiscard]] constexpr std::uint64_t share(std::uint64_t whole, std::uint64_t threads) {
    return whole < threads ? 1 : whole / threads;
}

}  // namespace kmemlab::workloads

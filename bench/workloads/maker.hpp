/// Maker: what a workload asks for becomes the operations of a trace.
///
/// It numbers objects as a resolved recording does (operation.hpp: a freed number goes to the next
/// allocation, the last freed first) and knows of everything that lives by which call, on which CPU and when
/// it was allocated, so that a free always fits its allocation. A made trace has no times: all are 0.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "allocators/base/gfp.hpp"
#include "allocators/base/units.hpp"
#include "bench/measure/recorded_draws.hpp"
#include "bench/trace/trace.hpp"

namespace kmemlab::workloads {

/// Something allocated; names it until it is freed.
struct Object {
    trace::Layer layer{};
    std::uint32_t number = 0;
};

/// Random numbers of a seed: xorshift64, whose state is the seed stirred, so that near seeds differ.
class Dice {
  public:
    explicit Dice(std::uint64_t seed) : draws_{stirred(seed)} {}
    /// 0..n-1; n from 1 to 2^32.
    std::uint64_t below(std::uint64_t n) { return (draws_.next() >> 32) * n >> 32; }
    /// low..high, both included.
    std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
    bool percent(std::uint64_t chance) { return below(100) < chance; }
    /// Takes one out of a list whose order does not matter.
    template <class T>
    T take(std::vector<T>& list) {
        std::swap(list[below(list.size())], list.back());
        T taken = std::move(list.back());
        list.pop_back();
        return taken;
    }

  private:
    /// A bijection of 64-bit words (the finalizer of MurmurHash3), but for the one state that is none.
    static std::uint64_t stirred(std::uint64_t seed) {
        std::uint64_t word = seed + 0x9e3779b97f4a7c15U;
        word = (word ^ word >> 33) * 0xff51afd7ed558ccdU;
        word = (word ^ word >> 33) * 0xc4ceb9fe1a85ec53U;
        word ^= word >> 33;
        return word == 0 ? 1 : word;
    }

    Draws draws_;
};

class Maker {
  public:
    /// A trace of about `operations`, on `cpus` CPUs.
    Maker(std::uint64_t operations, unsigned cpus);

    /// A cache of the trace; its number.
    std::uint32_t cache(std::string name, std::uint32_t object_size);

    Object kmalloc(std::uint64_t bytes, CpuId cpu);
    Object cache_alloc(std::uint32_t cache, CpuId cpu);
    /// For user space, which may move it.
    Object user_pages(Order order, CpuId cpu);
    /// For the kernel itself.
    Object kernel_pages(Order order, CpuId cpu);
    /// As a recording had it: kind, amount, flags and alignment of an allocation.
    Object like(const trace::Operation& recorded, CpuId cpu);

    void free(Object object, CpuId cpu);
    /// Frees everything that lives, the oldest first, each on the CPU that allocated it.
    void free_all();

    /// The CPU that allocated it.
    [[nodiscard]] CpuId home(Object object) const { return life(object).allocation.cpu(); }
    /// With the frees of what lives, the trace is as long as was asked for.
    [[nodiscard]] bool done() const { return trace_.operations.size() + live_ >= wanted_; }

    /// The trace, without a name. The maker is spent.
    [[nodiscard]] trace::Trace finish();

  private:
    struct Life {
        trace::Operation allocation;
        std::uint64_t birth = 0;  ///< operations before it
        bool lives = false;
    };
    struct LayerState {
        std::vector<Life> lives;  ///< by number
        std::vector<std::uint32_t> free_numbers;
    };

    [[nodiscard]] const Life& life(Object object) const { return state(object.layer).lives[object.number]; }
    [[nodiscard]] const LayerState& state(trace::Layer layer) const {
        return layers_[static_cast<unsigned>(layer)];
    }
    [[nodiscard]] LayerState& state(trace::Layer layer) { return layers_[static_cast<unsigned>(layer)]; }
    Object allocate(trace::Kind kind, std::uint32_t amount, Gfp gfp, CpuId cpu, std::uint8_t align = 0);
    void count(trace::Kind kind);

    trace::Trace trace_;
    std::array<LayerState, trace::layer_count> layers_;
    std::uint64_t wanted_;
    std::uint64_t live_ = 0;
};

}  // namespace kmemlab::workloads

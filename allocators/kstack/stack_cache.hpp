/// The stacks that each CPU keeps for reuse: two slots, asked before vmalloc and offered before vfree
/// (VM-72).
///
///     CPU 0   [ slot 0 ][ slot 1 ]      take: slot 0, else slot 1, whichever is filled
///     CPU 1   [ slot 0 ][ slot 1 ]      put:  slot 0, else slot 1, whichever is empty
///
/// Follows Linux 6.1. Laws: K4 (at most two per CPU). No locks: a CPU's slots are used by whoever runs on it.
#pragma once

#include <array>
#include <optional>
#include <utility>

#include "allocators/machine/cpus.hpp"

namespace kmemlab {

inline constexpr unsigned cached_stacks_per_cpu = 2;

/// `Stack` is whatever tells a stack, e.g. its address.
template <class Stack>
class StackCache {
  public:
    using Slots = std::array<std::optional<Stack>, cached_stacks_per_cpu>;

    explicit StackCache(unsigned cpus) : slots_{cpus} {}

    [[nodiscard]] std::optional<Stack> take(CpuId cpu) {
        for (auto& slot : slots_[cpu]) {
            if (slot) return std::exchange(slot, std::nullopt);
        }
        return {};
    }
    /// False: both slots are filled.
    [[nodiscard]] bool put(const Stack& stack, CpuId cpu) {
        for (auto& slot : slots_[cpu]) {
            if (slot) continue;
            slot = stack;
            return true;
        }
        return false;
    }
    [[nodiscard]] const Slots& slots(CpuId cpu) const { return slots_[cpu]; }

  private:
    PerCpu<Slots> slots_;
};

}  // namespace kmemlab

/// Machines with one kind of kernel stacks each, over buddy, for tests that hold for all kinds.
#pragma once

#include <string>
#include <vector>

#include "allocators/buddy/buddy.hpp"
#include "allocators/kstack/stacks.hpp"

namespace kmemlab::test {

inline constexpr CpuId cpu0{0};
inline constexpr CpuId cpu1{1};
inline constexpr unsigned cpu_count = 4;

/// Everything but the stacks. Misuse is kept, in words.
struct Board {
    explicit Board(std::size_t bytes) : arena{bytes} {}

    Arena arena;
    OwnedCpus cpus{cpu_count};
    std::vector<Misuse> misuses;
    MisuseLog log = MisuseLog::keep_going([this](const Misuse& misuse) { misuses.push_back(misuse); });
    Buddy<OwnedCpus> buddy{arena, cpus, {}, log};
};

constexpr std::size_t board_bytes = std::size_t{64} << 20;
/// So that a machine holds the stacks of the test and nothing else.
inline StackConfig plain_config() {
    return {.usage = true, .interrupt_stacks = false};
}

struct DirectMachine : Board {
    explicit DirectMachine(const StackConfig& config = plain_config(), std::size_t bytes = board_bytes)
        : Board{bytes}, stacks{cpus, config, log, buddy} {}
    DirectStacks<OwnedCpus> stacks;
    static constexpr bool caches = false;
};

template <class M>
struct MappedMachine : Board {
    explicit MappedMachine(const StackConfig& config = plain_config(), std::size_t bytes = board_bytes)
        : Board{bytes}, vmalloc{buddy, mmu, cpus, {}, log}, stacks{cpus, config, log, arena, mmu, vmalloc} {}
    M mmu{make_mmu()};
    Vmalloc<OwnedCpus, M> vmalloc;
    VmappedStacks<OwnedCpus, M> stacks;
    static constexpr bool caches = true;

  private:
    M make_mmu() {
        if constexpr (std::same_as<M, SoftMmu>) return SoftMmu{arena, {.cpus = cpu_count}};
        if constexpr (std::same_as<M, HostMmu>) return HostMmu{arena};
    }
};
using VmappedMachine = MappedMachine<HostMmu>;
using SoftMachine = MappedMachine<SoftMmu>;

struct DynamicMachine : Board {
    explicit DynamicMachine(const StackConfig& config = plain_config(), std::size_t bytes = board_bytes)
        : Board{bytes}, stacks{cpus, config, log, buddy, mmu} {}
    HostMmu mmu{arena};
    DynamicStacks<OwnedCpus> stacks;
    static constexpr bool caches = true;
};

/// "" if no law is broken.
template <class Stacks>
[[nodiscard]] std::string violation(const Stacks& stacks) {
    const auto found = stacks.find_violation();
    return found ? found->message() : "";
}

template <class Stacks>
void exit_at_once(Stacks& stacks, KernelStack& stack, CpuId cpu) {
    stacks.exit(stack, cpu);
    stacks.end_grace_period(cpu);
}

}  // namespace kmemlab::test

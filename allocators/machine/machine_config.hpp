/// The machine that a model is built on: how much memory, from which frame on, how many CPUs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "allocators/base/tunable.hpp"
#include "allocators/base/units.hpp"
#include "allocators/machine/arena.hpp"

namespace kmemlab {

struct MachineConfig {
    std::size_t arena = Arena::default_bytes;
    std::uint64_t start_pfn = 0;
    std::uint64_t cpus = 2;

    [[nodiscard]] std::vector<Tunable> tunables() {
        return {bytes_tunable("machine.arena", "bytes of physical memory", arena, 0, std::size_t{1} << 43),
                integer_tunable("machine.start_pfn", "first page frame number", start_pfn, 0,
                                std::uint64_t{1} << 31),
                integer_tunable("machine.cpus", "number of CPUs", cpus, 1, max_cpus)};
    }
};

}  // namespace kmemlab

/// A base for a simple model: a machine with an arena, counts of paths, and the members of Allocator
/// (contract/allocator.hpp) that are the same in many. What is left to write: info, allocate, deallocate,
/// usable_size, drain and find_violation (docs/adding-an-allocator.md).
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "allocators/base/allocator_types.hpp"
#include "allocators/contract/model.hpp"
#include "allocators/machine/arena.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/machine/machine_config.hpp"

namespace kmemlab {

class ModelBase {
  public:
    struct Config {
        MachineConfig machine;
        [[nodiscard]] std::vector<Tunable> tunables() { return machine.tunables(); }
    };

    explicit ModelBase(const Config& config)
        : arena_{config.machine.arena, Pfn{config.machine.start_pfn}},
          paths_{checked_cpu_count(config.machine.cpus)} {
        stats_.metadata_bytes = paths_.metadata_bytes();
    }

    [[nodiscard]] AllocatorStats stats() const { return stats_; }
    [[nodiscard]] Path last_path(CpuId cpu) { return std::exchange(paths_[cpu], Path::fast); }
    [[nodiscard]] std::vector<Text> snapshot() const { return {}; }
    [[nodiscard]] FreeBlocks free_blocks() const { return {}; }

  protected:
    ~ModelBase() = default;

    /// All of the machine's memory.
    [[nodiscard]] std::span<std::byte> memory() const {
        return {arena_.address(arena_.start()), arena_.bytes()};
    }
    void count_allocation(Path path, CpuId cpu) { count(stats_.allocations, path, cpu); }
    void count_free(Path path, CpuId cpu) { count(stats_.frees, path, cpu); }
    /// How much of memory() is in use or kept for reuse.
    void hold(std::size_t bytes) { stats_.held_bytes = bytes; }

  private:
    void count(PathCounts& counts, Path path, CpuId cpu) {
        ++counts[static_cast<std::size_t>(path)];
        paths_[cpu] = path;
    }

    Arena arena_;
    PerCpu<Path> paths_;
    AllocatorStats stats_;
};

}  // namespace kmemlab

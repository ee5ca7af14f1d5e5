/// Operations of an allocator that does not tell which way served them: the C library's malloc, and others'.
#pragma once

#include <cstdint>

#include "allocators/base/allocator_types.hpp"
#include "allocators/machine/cpus.hpp"

namespace kmemlab {

class OpaqueCounts {
  public:
    /// Throws UsageError as checked_cpu_count() does.
    explicit OpaqueCounts(std::uint64_t cpus) : counts_{checked_cpu_count(cpus)} {}

    void allocated(CpuId cpu) { ++counts_[cpu].allocations; }
    void freed(CpuId cpu) { ++counts_[cpu].frees; }
    void add_to(AllocatorStats& stats) const {
        for (CpuId cpu; cpu.value() < counts_.count(); ++cpu) {
            stats.allocations[static_cast<std::size_t>(Path::opaque)] += counts_[cpu].allocations;
            stats.frees[static_cast<std::size_t>(Path::opaque)] += counts_[cpu].frees;
        }
    }

  private:
    struct Counts {
        std::uint64_t allocations = 0;
        std::uint64_t frees = 0;
    };
    PerCpu<Counts> counts_;
};

}  // namespace kmemlab

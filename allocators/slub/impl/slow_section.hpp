/// Marks a CPU as being on a slow path of a cache, for private use by the sources of Slub.
#pragma once

#include "allocators/slub/slub.hpp"

namespace kmemlab {

/// In a preemptible context another CPU may ask to flush this CPU's slot while it is in use: then the flush
/// waits until the slow path is left, as work queued to that CPU waits in a kernel.
template <class Cpus>
class [[nodiscard]] Slub<Cpus>::SlowSection {
  public:
    SlowSection(Slub& slub, Cache& cache, CpuSlot& slot, CpuId cpu)
        : slub_{slub}, cache_{cache}, slot_{slot}, cpu_{cpu} {
        if constexpr (Cpus::preemptible) slot_.busy = true;
    }
    ~SlowSection() {
        if constexpr (Cpus::preemptible) {
            slot_.busy = false;
            if (std::exchange(slot_.flush_pending, false)) slub_.flush_slot(cache_, slot_, cpu_);
        }
    }
    SlowSection(const SlowSection&) = delete;
    SlowSection& operator=(const SlowSection&) = delete;

  private:
    Slub& slub_;
    Cache& cache_;
    CpuSlot& slot_;
    CpuId cpu_;
};

}  // namespace kmemlab

/// Marks a CPU as being on a slow path of a cache, for private use by the sources of Slab.
#pragma once

#include "allocators/slab/slab.hpp"

namespace kmemlab {

/// In a preemptible context another CPU may ask to drain this CPU's array while it is in use: then the drain
/// waits until the slow path is left, as an interrupt sent to that CPU waits in a kernel.
template <class Cpus>
class [[nodiscard]] Slab<Cpus>::SlowSection {
  public:
    SlowSection(Slab& slab, Cache& cache, ArrayCache& array, CpuId cpu)
        : slab_{slab}, cache_{cache}, array_{array}, cpu_{cpu} {
        if constexpr (Cpus::preemptible) array_.busy = true;
    }
    ~SlowSection() {
        if constexpr (Cpus::preemptible) {
            while (std::exchange(array_.drain_pending, false)) {
                slab_.drain_array(cache_, array_, array_.avail, cpu_);
            }
            array_.busy = false;
        }
    }
    SlowSection(const SlowSection&) = delete;
    SlowSection& operator=(const SlowSection&) = delete;

  private:
    Slab& slab_;
    Cache& cache_;
    ArrayCache& array_;
    CpuId cpu_;
};

}  // namespace kmemlab

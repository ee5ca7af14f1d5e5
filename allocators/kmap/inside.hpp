/// The inside of kmap, for tests, which break it.
#pragma once

#include "allocators/kmap/kmap.hpp"

namespace kmemlab {

template <class Cpus, Mmu M>
struct Kmap<Cpus, M>::Inside {
    static auto& slots(Kmap& kmap) { return kmap.slots_; }
    static auto& slot_of(Kmap& kmap) { return kmap.slot_of_; }
    static auto& levels(Kmap& kmap, CpuId cpu) { return kmap.levels_[cpu]; }
};

}  // namespace kmemlab

/// The inside of a Slob, for state.cpp, which makes it what was recorded, and for tests, which break it.
#pragma once

#include "allocators/slob/slob.hpp"

namespace kmemlab {

template <class Cpus>
struct Slob<Cpus>::Inside {
    static PageRing& list(Slob& slob, SlobList list) { return slob.list_of(list); }
    static Ledger& ledger(Slob& slob) { return slob.ledger_; }
    static HeapPage page(const Slob& slob, FrameIndex frame) { return slob.heap_page(frame); }

    /// A page of the heap in which nothing is free, on no list. Nothing if the page source has none.
    static std::optional<FrameIndex> add_full_page(Slob& slob, SlobList list, CpuId cpu) {
        const std::optional<Pfn> pfn = slob.source_.take(Order{0}, GFP_KERNEL, cpu);
        if (!pfn) return {};
        ++slob.cpu_states_[cpu].pages_taken;
        const FrameIndex frame = slob.arena_.index(*pfn);
        slob.adopt_page(frame);
        slob.heap_page(frame).fill(list);
        return frame;
    }
    static bool tracks(const Slob& slob) { return slob.config_.track; }
};

}  // namespace kmemlab

/// The range of frames that an object allocator has ever used: where its checkers look for slabs and blocks,
/// instead of all over the arena. Written by any CPU at once; it only grows.
#pragma once

#include <atomic>
#include <cstdint>

#include "allocators/machine/page.hpp"
#include "allocators/machine/page_list.hpp"

namespace kmemlab {

class FramesUsed {
  public:
    void note(FrameIndex first, std::uint64_t frames) {
        const auto last = static_cast<FrameIndex>(first + frames - 1);
        FrameIndex seen = lowest_.load(std::memory_order_relaxed);
        while (first < seen && !lowest_.compare_exchange_weak(seen, first, std::memory_order_relaxed)) {
        }
        seen = highest_.load(std::memory_order_relaxed);
        while (last > seen && !highest_.compare_exchange_weak(seen, last, std::memory_order_relaxed)) {
        }
    }

    /// Calls visit(head, state) for each slab and each large block, by ascending frames, until it is false.
    template <class Visit>
    void for_each_block(PageArray pages, Visit&& visit) const {
        const FrameIndex lowest = lowest_.load(std::memory_order_relaxed);
        if (lowest == no_frame) return;
        const std::uint64_t end = std::uint64_t{highest_.load(std::memory_order_relaxed)} + 1;
        for (std::uint64_t i = lowest; i < end;) {
            const auto head = static_cast<FrameIndex>(i);
            const PageState state = pages[head].load_state();
            const bool ours = state.kind == PageKind::slab || state.kind == PageKind::large;
            if (ours && !visit(head, state)) return;
            i += ours ? Order{state.order}.pages() : 1;
        }
    }

  private:
    std::atomic<FrameIndex> lowest_{no_frame};
    std::atomic<FrameIndex> highest_{0};
};

}  // namespace kmemlab

/// AreaTarget: an allocator of mapped areas together with the areas that a replay
/// has got from it; see object_target.hpp.
///
/// An area of a trace has a guard page, which every allocator here adds itself: what is asked for is a page
/// less. One of a single page (recorded of vm_map_ram, which has no guard) is asked for as it is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "bench/replay/object_target.hpp"

namespace kmemlab::replay {

template <Model M>
class AreaTarget {
  public:
    using ModelType = M;
    using Machine = M;

    AreaTarget(const typename M::Config& config, const Workload& work)
        : machine_{config}, areas_(work.slots, nullptr) {}

    [[nodiscard]] Machine& machine() { return machine_; }
    [[nodiscard]] const Machine& machine() const { return machine_; }
    void open() {}
    [[nodiscard]] bool close() { return true; }

    template <Touch touch, class Around>
    void perform(const trace::Operation& op, Around&& around) {
        if (op.kind() == trace::Kind::vmap_purge) {
            if constexpr (VirtualAreas<M>) around([&] { machine_.purge(op.cpu()); });
            return;
        }
        void*& slot = areas_[op.object()];
        if (op.kind() == trace::Kind::vmap_alloc) {
            const Request request{
                .size = requested(op), .gfp = GFP_KERNEL, .align = alignment(op), .cpu = op.cpu()};
            void* p = nullptr;
            around([&] { p = machine_.allocate(request); });
            slot = p;
            kmemlab::replay::touch<touch>(p, request.size);
        } else if (void* const p = slot; p != nullptr) {
            around([&] { machine_.deallocate(p, op.cpu()); });
        }
    }

    [[nodiscard]] void* memory(const trace::Operation& op) const { return areas_[op.object()]; }
    [[nodiscard]] std::size_t requested(const trace::Operation& op) const {
        return std::max<std::size_t>(op.pages() - 1, 1) << page_shift;
    }
    [[nodiscard]] std::size_t usable(const trace::Operation& op) const {
        return machine_.usable_size(memory(op));
    }
    [[nodiscard]] std::size_t alignment(const trace::Operation& op) const {
        return page_size << op.align_order();
    }

  private:
    Machine machine_;
    std::vector<void*> areas_;
};

}  // namespace kmemlab::replay

/// PageTarget: a page allocator together with the blocks that a replay has got from it; see
/// object_target.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bench/replay/object_target.hpp"

namespace kmemlab::replay {

template <Model M>
class PageTarget {
  public:
    using ModelType = M;
    using Machine = M;

    PageTarget(const typename M::Config& config, const Workload& work)
        : machine_{config}, blocks_(work.slots, no_block) {}

    [[nodiscard]] Machine& machine() { return machine_; }
    [[nodiscard]] const Machine& machine() const { return machine_; }
    void open() {}
    [[nodiscard]] bool close() { return true; }

    template <Touch touch, class Around>
    void perform(const trace::Operation& op, Around&& around) {
        std::uint64_t& slot = blocks_[op.object()];
        if (op.kind() == trace::Kind::page_alloc) {
            std::optional<Pfn> pfn;
            around([&] { pfn = machine_.take(op.order(), op.gfp(), op.cpu()); });
            slot = pfn ? pfn->value() : no_block;
            if (pfn) kmemlab::replay::touch<touch>(machine_.arena().address(*pfn), page_size);
        } else if (slot != no_block) {
            const Pfn pfn{slot};
            around([&] { machine_.give(pfn, op.order(), op.cpu()); });
        }
    }

    [[nodiscard]] void* memory(const trace::Operation& op) {
        const std::uint64_t block = blocks_[op.object()];
        return block == no_block ? nullptr : machine_.arena().address(Pfn{block});
    }
    [[nodiscard]] std::size_t requested(const trace::Operation& op) const { return op.order().bytes(); }
    [[nodiscard]] std::size_t usable(const trace::Operation& op) const { return op.order().bytes(); }
    /// The direct map is aligned as the frames are (B2).
    [[nodiscard]] std::size_t alignment(const trace::Operation& op) const { return op.order().bytes(); }

  private:
    static constexpr std::uint64_t no_block = ~std::uint64_t{0};

    Machine machine_;
    std::vector<std::uint64_t> blocks_;
};

}  // namespace kmemlab::replay

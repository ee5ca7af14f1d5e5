/// PageSource: who gives runs of page frames. The buddy allocator models it, and so do test doubles.
///
/// | expression                | result               | meaning, failure                                    |
/// |---------------------------|----------------------|-----------------------------------------------------|
/// | s.take(order, gfp, cpu)   | std::optional<Pfn>   | the first of 2^order frames, pfn aligned to 2^order |
/// |                           |                      | (B2), kind `allocated`; with __GFP_COMP and order   |
/// |                           |                      | > 0 every frame's `head` is the first; with         |
/// |                           |                      | __GFP_ZERO the bytes are zero. Empty: no memory;    |
/// |                           |                      | nothing has changed but documented drains (G9).     |
/// | s.give(pfn, order, cpu)   | void                 | returns what take gave, with the same order (B14)   |
/// |                           |                      | and with `word`, `owner` as the owner likes: they   |
/// |                           |                      | are reset (B13).                                    |
/// | s.arena()                 | Arena&               | where the frames and their descriptors are          |
///
/// `cpu` is the CPU that the caller runs on. Both calls may be made from several CPUs at once.
#pragma once

#include <concepts>
#include <optional>

#include "allocators/base/gfp.hpp"
#include "allocators/base/units.hpp"
#include "allocators/machine/arena.hpp"

namespace kmemlab {

template <class S>
concept PageSource = requires(S& source, Order order, Gfp gfp, CpuId cpu, Pfn pfn) {
    { source.take(order, gfp, cpu) } -> std::same_as<std::optional<Pfn>>;
    { source.give(pfn, order, cpu) } -> std::same_as<void>;
    { source.arena() } -> std::same_as<Arena&>;
};

/// A reference to any page source, itself one. Two words; the source must outlive it. Object allocators
/// hold one: they ask for pages only on their slow paths, where an indirect call does not count.
class PageSourceRef {
  public:
    template <PageSource S>
    requires(!std::same_as<S, PageSourceRef>)
        // NOLINTNEXTLINE(google-explicit-constructor): a reference to a source is a source
        PageSourceRef(S& source)
        : source_{&source}, calls_{&calls_for<S>} {}

    [[nodiscard]] std::optional<Pfn> take(Order order, Gfp gfp, CpuId cpu) {
        return calls_->take(source_, order, gfp, cpu);
    }
    void give(Pfn pfn, Order order, CpuId cpu) { calls_->give(source_, pfn, order, cpu); }
    [[nodiscard]] Arena& arena() { return calls_->arena(source_); }

  private:
    struct Calls {
        std::optional<Pfn> (*take)(void*, Order, Gfp, CpuId);
        void (*give)(void*, Pfn, Order, CpuId);
        Arena& (*arena)(void*);
    };
    template <class S>
    static constexpr Calls calls_for{
        [](void* s, Order order, Gfp gfp, CpuId cpu) { return static_cast<S*>(s)->take(order, gfp, cpu); },
        [](void* s, Pfn pfn, Order order, CpuId cpu) { static_cast<S*>(s)->give(pfn, order, cpu); },
        [](void* s) -> Arena& { return static_cast<S*>(s)->arena(); }};

    void* source_;
    const Calls* calls_;
};
static_assert(PageSource<PageSourceRef>);

}  // namespace kmemlab

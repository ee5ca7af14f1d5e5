/// vmalloc as a heap: every request is an area of its own, from the begin of a page, with a guard page
/// behind.
///
///     window      | object  . |guard|        | object      object  . |guard|     . to the end of the page:
///                      |                         |           |                     not noticed
///     frames         #71                        #12         #40
///     direct map  | ... | block of pages | ...                                   when mappings are used up
///
/// The frames come from buddy, but the memory under an area is private to its mapping (host_mmu.hpp): a memfd
/// would be shared with the children that a program forks. No object is reached by its frame, so none can
/// tell.
///
/// A process may have only so many mappings, and each area is one at least. Requests beyond them get what
/// buddy's do, a block of pages of the direct map, which takes no mapping and has no guard.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <utility>

#include "allocators/contract/vmalloc_model.hpp"
#include "allocators/preload/heap.hpp"

namespace kmemlab {

class HeapOfAreas final : public HeapOfPages {
  public:
    using Config = VmallocOfOneTree::Config;

    explicit HeapOfAreas(const Config& config)
        : HeapOfPages{{config.machine, config.buddy}},
          mmu_{arena_, config.mmu.config()},
          vmalloc_{pages_, mmu_, cpus_, config.vmalloc, misuse_},
          pages_of_area_{mmu_.window().pages()} {}

    void* allocate(std::size_t size, std::size_t align, CpuId cpu) override {
        if (void* const area = allocate_area(size, align, cpu); area != nullptr) return area;
        void* const block = HeapOfPages::allocate(size, align, cpu);
        if (block != nullptr) pages_of_blocks_ += HeapOfPages::usable_size(block) >> page_shift;
        return block;
    }
    void deallocate(void* p, CpuId cpu) override {
        const VirtAddr at = address(p);
        if (in_window(at)) {
            if (must_wait()) wait_ -= pages_of_area_.get(place_of(at));
            pages_of_area_.set(place_of(at), 1, 0);
            return vmalloc_.vfree(at, cpu);
        }
        pages_of_blocks_ -= HeapOfPages::usable_size(p) >> page_shift;
        HeapOfPages::deallocate(p, cpu);
    }
    /// By a note, not by the tree of areas: programs ask on no CPU, and a lock held while another thread
    /// forks would stay locked in the child.
    [[nodiscard]] std::size_t usable_size(const void* p) const override {
        const VirtAddr at = address(p);
        if (!in_window(at)) return HeapOfPages::usable_size(p);
        return std::size_t{pages_of_area_.get(place_of(at))} << page_shift;
    }
    [[nodiscard]] bool contains(const void* p) const override {
        return in_window(address(p)) || HeapOfPages::contains(p);
    }
    std::size_t trim(CpuId cpu) override {
        const std::size_t waiting = vmalloc_.space().lazy_pages() << page_shift;
        vmalloc_.vm_unmap_aliases(cpu);
        return waiting + HeapOfPages::trim(cpu);
    }
    [[nodiscard]] MaybeViolation find_violation() const override {
        if (auto found = vmalloc_.find_violation()) return found;
        if (auto found = HeapOfPages::find_violation()) return found;
        const std::uint64_t held = vmalloc_.nr_vmalloc_pages() + pages_of_blocks_;
        if (held == pages_.pages_in_use()) return {};
        return violation("G8", "areas and blocks hold {} pages, the nodes gave {}", held,
                         pages_.pages_in_use());
    }
    [[nodiscard]] std::vector<Text> snapshot() const override {
        const MmuStats stats = mmu_.stats();
        std::vector<Text> texts{
            {"mappings",
             fmt::format("{} of at most {} in use, {} requests refused, {} pages without a guard\n",
                         stats.mappings, stats.mapping_limit,
                         stats.refused_for_limit + stats.refused_by_kernel, pages_of_blocks_.load())},
            {"vmallocinfo", vmalloc_.vmallocinfo()}};
        for (Text& text : HeapOfPages::snapshot()) texts.push_back(std::move(text));
        return texts;
    }

  private:
    /// nullptr: no mappings left, or too few to look for. A request that fails purges before it does, which
    /// walks over all mappings: the next one is made after so many pages were freed, or requests came.
    [[nodiscard]] void* allocate_area(std::size_t size, std::size_t align, CpuId cpu) {
        if (must_wait()) {
            --wait_;
            return nullptr;
        }
        const auto at = vmalloc_.vmalloc_range(std::max<std::size_t>(size, 1), std::max(align, page_size),
                                               heap_gfp, true, cpu);
        if (!at) {
            constexpr std::uint64_t part = 64;
            wait_ = static_cast<std::int64_t>(mmu_.stats().mapping_limit / part);
            return nullptr;
        }
        const std::size_t pages = vmalloc_.usable_size(*at, cpu) >> page_shift;
        pages_of_area_.set(place_of(*at), 1, static_cast<std::uint16_t>(pages));
        return HostMmu::pointer(*at);
    }
    [[nodiscard]] bool must_wait() const { return wait_.load(std::memory_order_relaxed) > 0; }
    [[nodiscard]] static VirtAddr address(const void* p) {
        return VirtAddr{reinterpret_cast<std::uintptr_t>(p)};
    }
    [[nodiscard]] bool in_window(VirtAddr at) const { return mmu_.window().contains(at); }
    [[nodiscard]] std::uint64_t place_of(VirtAddr at) const {
        return (at - mmu_.window().begin) >> page_shift;
    }

    HostMmu mmu_;
    Vmalloc<OwnedCpus, HostMmu> vmalloc_;
    ZeroedNotes pages_of_area_;  ///< by the first page of the window; 0: none begins there
    std::atomic<std::uint64_t> pages_of_blocks_{0};  ///< of the direct map
    std::atomic<std::int64_t> wait_{0};              ///< allocate_area(); at most 0: it need not
};

}  // namespace kmemlab

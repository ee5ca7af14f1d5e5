/// vmalloc over buddy and an MMU, a software one or real mappings: areas, huge areas, mappings of frames,
/// purges.
///
/// The model knows each area's range with its guard, its frames, and a word in some of its pages. A take is
/// judged by range (V1), place (V8), alignment (G2), translations (V5), owners of frames (V6) and zeroes
/// (G5); a null (M1) by the addresses that no area has, since a search that fails has purged, and by the
/// pages that buddy still gives. What was freed is touched again once nothing may be known of it any more
/// (V7).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "allocators/vmalloc/vmalloc.hpp"
#include "fuzz/damage/mapping.hpp"
#include "fuzz/machines/mapping_machine.hpp"

namespace kmemlab::fuzz {

template <class M>
class VmallocMachine final : public MappingMachineOn<M> {
    using Base = MappingMachineOn<M>;

  public:
    VmallocMachine(const Setup& setup, const Language& language, VmallocConfig config)
        : Base{setup, language, config},
          vmalloc_{std::make_unique<Vm>(pages_, *mmu_, cpus_, config, log_)},
          owned_(arena_.frames()) {}

    void perform(const Operation& op) override;
    [[nodiscard]] MaybeViolation find_violation() override;
    void tear_down() override;
    [[nodiscard]] std::string describe() const override;

  private:
    using Vm = Vmalloc<OwnedCpus, M>;
    enum class Kind : std::uint8_t { area, vmap, ram };
    struct Item {
        Kind kind = Kind::area;
        VirtAddr at;
        std::vector<Pfn> frames;
        [[nodiscard]] bool empty() const { return frames.empty(); }
        /// Does the word at this page tell whose it is? Of a large area's pages only some.
        [[nodiscard]] bool is_marked(std::uint64_t page) const {
            return page % (1 + frames.size() / 16) == 0 || page + 1 == frames.size();
        }
        [[nodiscard]] bool in_block() const {
            return kind == Kind::ram && frames.size() <= largest_block_request;
        }
    };
    struct AreaRequest {
        std::size_t bytes = 0;
        std::size_t align = page_size;
        Gfp gfp;
        bool huge = false;
        [[nodiscard]] std::uint64_t pages() const { return (bytes + page_size - 1) >> page_shift; }
    };

    [[nodiscard]] static std::size_t bytes_of(const Operation& op);
    void take_area(const AreaRequest& request, const Operation& op);
    void take_mapping(Kind kind, const Operation& op);
    void release(Item& item, CpuId cpu);
    void touch(const Item& item, const Operation& op);
    void settle(bool drained);
    void damage(const Operation& op);
    void misuse(const Operation& op);

    [[nodiscard]] std::optional<VirtAddr> lowest_fit(std::uint64_t bytes) const;
    void judge_text();
    void judge_null(const AreaRequest& request, std::uint64_t refused_before, CpuId cpu);
    void judge_range(const Item& item, std::uint64_t guard);
    [[nodiscard]] bool own_frames(const Item& item, bool zero);
    void mark(const Item& item, CpuId cpu);
    void judge_page(const Item& item, std::uint64_t page, CpuId cpu);
    void judge_freed(bool with_blocks);
    void keep(Item item, const Operation& op);
    [[nodiscard]] std::uint64_t mark_of_page(const Item& item, std::uint64_t page) const {
        // A frame that others map too tells only which it is.
        return mark_of(item.kind == Kind::area ? item.at.page() + page : item.frames[page].value());
    }
    [[nodiscard]] std::vector<Pfn> frames_to_map(const Operation& op);
    [[nodiscard]] std::uint64_t pool_pages() const { return pool_ ? pool_order.pages() : 0; }

    using Base::addresses_to_be_had;
    using Base::arena_;
    using Base::break_law;
    using Base::broken;
    using Base::buddy_;
    using Base::cpu_of;
    using Base::cpus_;
    using Base::judge_operation;
    using Base::judge_report;
    using Base::log_;
    using Base::mark_of;
    using Base::mmu_;
    using Base::pages_;
    using Base::pages_to_be_had;
    using Base::refused;
    using Base::reports_;

    static constexpr Order pool_order{6};

    std::unique_ptr<Vm> vmalloc_;
    std::vector<bool> owned_;  ///< by frame of the arena: by an area
    oracle::Ranges ranges_;    ///< with guards
    Slots<Item> slots_;
    std::vector<Item> freed_;  ///< what was freed since a CPU could last know it
    std::optional<Pfn> pool_;  ///< frames of the caller, to be mapped
    bool block_area_ = false;  ///< an area of no item may be busy: a block, or a large array of frames
};

}  // namespace kmemlab::fuzz

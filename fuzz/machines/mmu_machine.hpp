/// The software MMU by itself: leaves of 4 KiB, 2 MiB and 1 GiB, ranges that are lazy, flushes of all and of
/// parts, CPUs that leave and come back.
///
/// The model is what a page table should say, page by page, and what was there before where a range is lazy:
/// a CPU finds the frame that is mapped (V5); at a lazy page the former one or nothing; elsewhere nothing
/// (V7). A map that fails has done nothing (V10), and fails only for want of a table (M1).
#pragma once

#include <string>
#include <vector>

#include "fuzz/damage/mapping.hpp"
#include "fuzz/machines/mapping_machine.hpp"
#include "fuzz/oracle/page_runs.hpp"

namespace kmemlab::fuzz {

class MmuMachine final : public MappingMachine {
  public:
    MmuMachine(const Setup& setup, const Language& language);

    void perform(const Operation& op) override;
    [[nodiscard]] MaybeViolation find_violation() override;
    void tear_down() override;
    [[nodiscard]] std::string describe() const override;

  private:
    struct Item {
        std::uint64_t page = 0;
        std::uint64_t pages = 0;
        Order leaf;
        [[nodiscard]] bool empty() const { return pages == 0; }
    };

    [[nodiscard]] std::uint64_t page_of(const Operation& op) const {
        return mmu_->window().begin.page() + op.size % mmu_->window().pages();
    }
    [[nodiscard]] std::optional<std::uint64_t> place(std::uint64_t page, std::uint64_t pages) const;
    void damage(const Operation& op);
    void map(const Operation& op);
    void map_huge(const Operation& op);
    void judge_map(bool mapped, const Item& item, const oracle::Frames& frames, std::uint64_t refused_before,
                   const Operation& op);
    void unmap(Item& item, std::uint64_t pages, CpuId cpu);
    void flush(std::uint64_t begin, std::uint64_t end, CpuId cpu);
    void judge_page(std::uint64_t page, CpuId cpu);

    static constexpr Order pool_order{6};

    std::vector<bool> outside_;  ///< CPUs that left
    Pfn pool_;                   ///< memory that is mapped by 4 KiB; huge leaves are never read
    oracle::PageRuns mapped_;
    oracle::PageRuns lazy_;  ///< unmapped and not flushed: what was there
    std::uint64_t mapped_pages_ = 0;
    Slots<Item> slots_;
};

}  // namespace kmemlab::fuzz

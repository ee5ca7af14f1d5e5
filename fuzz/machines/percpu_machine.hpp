/// Congruent areas for per-CPU memory (VM-60), with other areas in the same space.
///
/// A chunk is judged by the place of each part (V13), by nobody else being there (V1), and by a search of all
/// bases: it lies at the highest that every part is free at, and there is none where it is refused (V8, M1).
/// The free areas that this goes by are the space's own; that they are right is V2.
#pragma once

#include <string>
#include <vector>

#include "allocators/vmalloc/congruent_areas.hpp"
#include "fuzz/machines/mapping_machine.hpp"

namespace kmemlab::fuzz {

/// What programs may set: how the areas of a chunk lie, by name, and when a purge is due.
struct PercpuConfig {
    std::string pattern = "two";
    std::uint64_t lazy_max_pages = 64;
    bool nodes = false;  ///< vmap nodes, one for each CPU

    [[nodiscard]] std::vector<Tunable> tunables();
};
[[nodiscard]] std::vector<Knob> percpu_knobs();

class PercpuMachine final : public MappingMachine {
  public:
    PercpuMachine(const Setup& setup, const Language& language, PercpuConfig config = {});

    void perform(const Operation& op) override;
    [[nodiscard]] MaybeViolation find_violation() override;
    void tear_down() override;
    [[nodiscard]] std::string describe() const override;

  private:
    struct Item {
        std::vector<AreaPart> parts;  ///< by address; of one that is no chunk one
        VmapArea* area = nullptr;     ///< nullptr: a chunk
        std::uint64_t base = 0;
        [[nodiscard]] bool empty() const { return parts.empty(); }
    };
    struct Pattern {
        std::vector<AreaPart> parts;
        std::uint64_t align = page_size;
    };
    [[nodiscard]] static Pattern pattern_of(const std::string& name);

    void take_chunk(const Operation& op);
    void take_area(const Operation& op);
    void judge(std::optional<std::uint64_t> got, std::optional<std::uint64_t> due, std::string_view what);
    void adopt(Item item, const Operation& op);
    void release(const Item& item, CpuId cpu);
    [[nodiscard]] std::optional<std::uint64_t> best_place(const Pattern& pattern, bool highest) const;

    VmapSpace<OwnedCpus> space_;
    Pattern pattern_;
    CongruentAreas<OwnedCpus> chunks_;
    oracle::Ranges ranges_;
    Slots<Item> slots_;
};

}  // namespace kmemlab::fuzz

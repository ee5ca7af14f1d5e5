/// kmap and kmap_local over a software MMU: few slots, so that the search for a free one comes round soon,
/// and tasks that stop and run again on their CPU.
///
/// The model knows the users of each page that is mapped by kmap, its address, and what each CPU's task has
/// mapped, level by level. An address is judged by what the CPU finds there (V5), by nobody else having it
/// (V6); nothing is due when every slot has a user (M1); what a task had is gone while it does not run (V7).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "allocators/kmap/kmap.hpp"
#include "fuzz/damage/mapping.hpp"
#include "fuzz/machines/mapping_machine.hpp"

namespace kmemlab::fuzz {

/// What programs may set of it.
struct KmapSettings {
    std::uint64_t low_pages = 8;
    std::uint64_t slots = 4;
    bool debug = false;

    [[nodiscard]] std::vector<Tunable> tunables();
    [[nodiscard]] KmapConfig config() const {
        return {.low_pages = low_pages, .slots = static_cast<unsigned>(slots), .debug = debug};
    }
};
[[nodiscard]] std::vector<Knob> kmap_knobs();

class KmapMachine final : public MappingMachine {
  public:
    KmapMachine(const Setup& setup, const Language& language, KmapSettings settings = {})
        : MappingMachine{setup, language, settings},
          settings_{settings},
          memory_{(settings.low_pages + 4 * settings.slots) << page_shift, Pfn{std::uint64_t{1} << 28}},
          kmap_{std::make_unique<Kmap<OwnedCpus, SoftMmu>>(memory_, *mmu_, cpus_, settings.config(), log_)},
          cpu_tasks_(cpus_.count()) {}

    void perform(const Operation& op) override;
    [[nodiscard]] MaybeViolation find_violation() override;
    void tear_down() override;
    [[nodiscard]] std::string describe() const override;

  private:
    struct Mapping {
        VirtAddr at;
        Pfn frame;
        friend bool operator==(const Mapping&, const Mapping&) = default;
    };
    /// What one user got by kmap.
    struct Item {
        bool used = false;
        Mapping mapping;
        [[nodiscard]] bool empty() const { return !used; }
    };
    struct Users {
        VirtAddr at;
        unsigned count = 0;
    };
    /// What the task that runs on a CPU has mapped, and the tasks that have stopped there.
    struct Tasks {
        std::vector<Mapping> levels;
        std::vector<std::pair<KmapTask, std::vector<Mapping>>> stopped;
    };

    [[nodiscard]] Pfn frame_of(const Operation& op) const {
        return memory_.start() + op.count % memory_.frames();
    }
    [[nodiscard]] Tasks& tasks_of(CpuId cpu) { return cpu_tasks_[cpu.value()]; }
    void map(const Operation& op);
    void unmap(Item& item, CpuId cpu);
    void map_local(const Operation& op);
    void unmap_local(CpuId cpu);
    void stop(CpuId cpu);
    void resume(CpuId cpu);
    void touch(const Operation& op);
    void damage(const Operation& op);
    void misuse(const Operation& op);
    void judge_mapping(const Mapping& mapping, CpuId cpu);
    void judge_gone(const std::vector<Mapping>& levels, CpuId cpu);

    KmapSettings settings_;
    Arena memory_;  ///< what is mapped; tables lie elsewhere, since low memory is mapped for good
    std::unique_ptr<Kmap<OwnedCpus, SoftMmu>> kmap_;
    std::map<Pfn, Users> users_;  ///< of high memory
    std::vector<Tasks> cpu_tasks_;
    Slots<Item> slots_;
};

}  // namespace kmemlab::fuzz

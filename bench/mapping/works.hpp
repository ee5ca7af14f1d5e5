/// From a class that does some work to a row: `add(contests, name, make)`. A work has run(count) and
/// verify(), and where it needs them prepare(count), finish(), units() and counts(), all as in Contest. It is
/// made when its row is first run, so that a list of thousands of rows costs nothing; its counts are taken
/// first, while its machine is fresh.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "bench/mapping/machine.hpp"
#include "bench/stacks/depths.hpp"

namespace kmemlab::mapping {

/// Whose TLB is played unless somebody says otherwise: not this machine's, so that counts travel.
inline constexpr std::string_view default_tlb = "intel-skylake-server";

/// What the groups of rows are made from.
struct Setup {
    MachineSettings machine;
    bool host = true;
    bool soft = true;
    TlbGeometry tlb = known_tlb(default_tlb);
    stacks::Depths depths;                        ///< of tasks on their kernel stacks
    std::vector<unsigned> cpus{1, 2, 4, 16, 64};  ///< simulated CPUs, where rows differ by their number
};

template <Mmu M>
[[nodiscard]] std::unique_ptr<Machine<M>> make_machine(const Setup& setup, const Variant& variant = {}) {
    typename Machine<M>::MmuConfig config{};
    if constexpr (!Machine<M>::is_host) config.tlb = setup.tlb;
    return std::make_unique<Machine<M>>(setup.machine, std::move(config), variant);
}

template <class Work, class Make>
class WorkContest final : public Contest {
  public:
    WorkContest(std::string name, Make make) : name_{std::move(name)}, make_{std::move(make)} {}
    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] Units units() override {
        if constexpr (requires(Work & w) { w.units(); }) return work().units();
        return {};
    }
    void prepare(std::size_t count) override {
        if constexpr (requires(Work & w) { w.prepare(count); }) work().prepare(count);
    }
    void finish() override {
        if constexpr (requires(Work & w) { w.finish(); }) work().finish();
    }
    void run(std::size_t count) override { work().run(count); }
    [[nodiscard]] std::string verify() override { return work().verify(); }
    [[nodiscard]] Counts counts() override {
        if constexpr (requires(Work & w) { w.counts(); }) return work().counts();
        return {};
    }

  private:
    Work& work() {
        if (!work_) work_ = make_();
        return *work_;
    }

    std::string name_;
    Make make_;
    std::unique_ptr<Work> work_;
};

/// A row over the work that `make` returns as a unique_ptr.
template <class Make>
void add(Contests& contests, std::string name, Make make) {
    using Work = typename decltype(make())::element_type;
    contests.push_back(std::make_unique<WorkContest<Work, Make>>(std::move(name), std::move(make)));
}

// The groups. Each adds its rows; see the header comments of the files.
void add_calls(Contests& contests, const Setup& setup);
void add_kernel_tests(Contests& contests, const Setup& setup);
void add_access(Contests& contests, const Setup& setup);
void add_faults(Contests& contests, const Setup& setup);
void add_shootdown(Contests& contests, const Setup& setup);
void add_areas(Contests& contests, const Setup& setup);
void add_stacks(Contests& contests, const Setup& setup);

}  // namespace kmemlab::mapping

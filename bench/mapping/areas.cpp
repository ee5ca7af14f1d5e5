// How the cost of an area grows with the number of those that live: one is freed at random and one is made,
// of 1..4 pages, while 1,000 to 100,000 live on the soft MMU (a process could not hold so many mappings).
// Purges are included. Areas are vmapped over a few frames, so that pages limit nothing.
//
// Beside the time stand counted steps, the same in every run: how deep the trees of busy and free areas are,
// on average and at most.
#include <fmt/format.h>

#include <array>

#include "bench/mapping/tree_depth.hpp"
#include "bench/mapping/works.hpp"
#include "bench/measure/recorded_draws.hpp"

namespace kmemlab::mapping {
namespace {

constexpr std::array<std::size_t, 5> area_counts{1000, 3000, 10000, 30000, 100000};
/// With 11 repetitions of five rows: ten million allocations and frees.
constexpr std::size_t pairs_per_repetition = 91'000;
constexpr std::size_t most_area_pages = 4;

class LiveAreas {
  public:
    LiveAreas(const Setup& setup, std::size_t areas) : machine_{make_machine<SoftMmu>(setup)} {
        frames_ = machine_->frames(most_area_pages, true);
        for (std::size_t i = 0; i < areas; ++i) areas_.push_back(make());
    }
    [[nodiscard]] static Contest::Units units() { return {pairs_per_repetition, pairs_per_repetition}; }
    void run(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            VirtAddr& one = areas_[draws_.next() % areas_.size()];
            machine_->vm().vunmap(one, cpu0);
            one = make();
        }
    }
    [[nodiscard]] std::string verify() {
        const auto broken = machine_->vm().find_violation();
        return broken ? broken->message() : "";
    }
    /// Of a state in which each area was replaced once on average.
    [[nodiscard]] Counts counts() {
        run(areas_.size());
        const auto& space = machine_->vm().space();
        const Depth busy = depth_of(space.busy());
        const Depth free = depth_of(space.free());
        return {{"busy_areas", busy.nodes}, {"busy_steps", busy.steps}, {"busy_deepest", busy.deepest},
                {"free_areas", free.nodes}, {"free_steps", free.steps}, {"free_deepest", free.deepest},
                {"purges", space.purges()}};
    }

  private:
    [[nodiscard]] VirtAddr make() {
        const std::size_t pages = 1 + draws_.next() % most_area_pages;
        const auto at = machine_->vm().vmap(std::span{frames_}.first(pages), cpu0);
        if (!at) throw UsageError("mapping: no addresses left");
        return *at;
    }

    std::unique_ptr<Machine<SoftMmu>> machine_;
    std::vector<Pfn> frames_;
    std::vector<VirtAddr> areas_;
    Draws draws_{1};
};

}  // namespace

void add_areas(Contests& contests, const Setup& setup) {
    if (!setup.soft) return;
    for (const std::size_t areas : area_counts) {
        add(contests, fmt::format("areas/{}/soft", areas),
            [=] { return std::make_unique<LiveAreas>(setup, areas); });
    }
}

}  // namespace kmemlab::mapping

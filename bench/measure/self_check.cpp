#include "bench/measure/self_check.hpp"

#include <algorithm>

#include "bench/measure/cycle_counter.hpp"

namespace kmemlab {
namespace {

/// Units between two pieces of planted work. A processor goes on with what comes behind while it still
/// computes, which would hide a piece of less than some hundred instructions.
constexpr std::size_t stretch = 4096;

/// Steps that each wait for the one before.
void work(std::size_t steps) {
    std::uint64_t value = steps;
    for (std::size_t i = 0; i < steps; ++i) {
        value = value * 3 + 1;
        asm volatile("" : "+r"(value));
    }
}

/// Nanoseconds of one of `count`, the least of a few attempts: others on the machine only add.
template <class Run>
double least_ns(std::size_t count, Run run) {
    constexpr int attempts = 9;
    double least = 0;
    for (int i = 0; i < attempts; ++i) {
        const std::uint64_t begin = monotonic_ns();
        run(count);
        const auto ns = static_cast<double>(monotonic_ns() - begin) / static_cast<double>(count);
        least = i == 0 ? ns : std::min(least, ns);
    }
    return least;
}

/// Everybody runs in stretches, also who does nothing between them.
class Party final : public Contest {
  public:
    Party(std::string name, Contest& contest, std::size_t steps)
        : name_{std::move(name)}, contest_{&contest}, steps_{steps} {}
    [[nodiscard]] const std::string& name() const override { return name_; }
    void run(std::size_t count) override {
        for (std::size_t done = 0; done < count; done += stretch) {
            contest_->run(std::min(stretch, count - done));
            work(steps_);
        }
    }
    [[nodiscard]] std::string verify() override { return contest_->verify(); }

  private:
    std::string name_;
    Contest* contest_;
    std::size_t steps_;
};

/// How many steps last as long as the delay of a stretch.
std::size_t delay_of(Contest& contest) {
    constexpr std::size_t many = 100'000;
    const double step_ns = least_ns(many, work);
    contest.run(many);
    const double unit_ns = least_ns(many, [&](std::size_t count) { contest.run(count); });
    return static_cast<std::size_t>(unit_ns * stretch * planted_delay / step_ns);
}

}  // namespace

std::vector<SelfCheckRow> self_check_rows(const std::vector<std::string>& names) {
    std::vector<SelfCheckRow> rows;
    rows.reserve(names.size());
    for (const std::string& name : names) rows.push_back({name, name + "-again", name + "-delayed"});
    return rows;
}

Contests self_check_contests(const Contests& contests, const std::vector<std::string>& names) {
    Contests parties;
    for (const SelfCheckRow& row : self_check_rows(names)) {
        const auto found = std::find_if(contests.begin(), contests.end(),
                                        [&](const auto& c) { return c->name() == row.name; });
        Contest& contest = **found;
        const std::size_t delay = delay_of(contest);
        for (const auto& [name, steps] :
             {std::pair{row.name, std::size_t{0}}, {row.again, std::size_t{0}}, {row.delayed, delay}})
            parties.push_back(std::make_unique<Party>(name, contest, steps));
    }
    return parties;
}

}  // namespace kmemlab

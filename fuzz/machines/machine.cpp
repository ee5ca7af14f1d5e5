#include "fuzz/machines/machine.hpp"

#include <fmt/ranges.h>

#include <array>

namespace kmemlab::fuzz {
namespace {

/// How deep strikes may strike.
constexpr unsigned most_depth = 3;

/// An operation passed more marked points than any needs (C4).
struct Endless {};

class Runner final : public Schedule {
  public:
    Runner(Machine& machine, const Program& program, const Observer& observer)
        : machine_{machine}, program_{program}, observer_{observer} {
        machine_.follow(this);
    }

    [[nodiscard]] MaybeFinding run() {
        const auto& all = program_.operations;
        const std::size_t interval = program_.setup.walk_interval();
        while (next_ < all.size()) {
            const std::size_t last = next_;
            perform(next_++);
            if (machine_.broken()) return finding(*machine_.broken(), last);
            if (machine_.ended()) return {};
            if (next_ / interval == last / interval && all[last].kind != OpKind::walk) continue;
            if (auto found = machine_.find_violation()) return finding(*found, last);
        }
        if (auto found = machine_.find_violation()) return finding(*found, all.size());
        machine_.follow(nullptr);
        machine_.tear_down();
        if (machine_.broken()) return finding(*machine_.broken(), all.size());
        return {};
    }
    [[nodiscard]] std::size_t next() const { return next_; }

    void at(Point point, CpuId running) override {
        Frame& frame = frames_[depth_ - 1];
        if (++frame.points > most_points) throw Endless{};
        if (frame.points != frame.op->strike_at || depth_ == most_depth) return;
        for (unsigned left = frame.op->strike_count; left > 0 && may_strike(point, running); --left) {
            perform(next_++);
        }
    }

  private:
    struct Frame {
        const Operation* op = nullptr;
        std::uint64_t points = 0;
    };

    [[nodiscard]] static MaybeFinding finding(const Violation& violation, std::size_t operation) {
        return Finding{std::string{violation.law}, violation.what, operation};
    }
    [[nodiscard]] unsigned cpu_of(const Operation& op) const { return op.cpu % program_.setup.cpu_count(); }

    /// On other CPUs; where the CPU's own slot is open to it, by another task of the same CPU too.
    [[nodiscard]] bool may_strike(Point point, CpuId running) const {
        if (machine_.broken() || machine_.ended() || next_ >= program_.operations.size()) return false;
        const Operation& op = program_.operations[next_];
        const unsigned cpu = cpu_of(op);
        const bool preempts = point == Point::commit && cpu == running.value() && busy_[cpu] == 1;
        return info_of(op.kind).concurrent && (busy_[cpu] == 0 || preempts);
    }
    void perform(std::size_t index) {
        const Operation& op = program_.operations[index];
        if (observer_) observer_(machine_, index, depth_);
        const unsigned cpu = cpu_of(op);
        frames_[depth_++] = {&op, 0};
        ++busy_[cpu];
        machine_.perform(op);
        --busy_[cpu];
        --depth_;
    }

    Machine& machine_;
    const Program& program_;
    const Observer& observer_;
    std::size_t next_ = 0;
    unsigned depth_ = 0;
    std::array<Frame, most_depth> frames_{};
    std::array<unsigned, 4> busy_{};
};

/// Keeps, for good, a machine that stopped in the midst of an operation: nothing may be asked of it any more,
/// not even to be taken down.
void abandon(std::unique_ptr<Machine> machine) {
    static auto* const abandoned = new std::vector<std::unique_ptr<Machine>>;
    abandoned->push_back(std::move(machine));
}

}  // namespace

void Machine::judge_reports() {
    if (reports_.empty()) return;
    break_law("misuse", "nobody did wrong, but {} was reported: {}", to_string(reports_.back().kind),
              reports_.back().report);
}

void Machine::judge_report(std::size_t first, MisuseKind due, MisuseKind other) {
    end();
    if (reports_.size() != first + 1)
        return break_law("G11", "{} reports of {}", reports_.size() - first, to_string(due));
    const MisuseKind got = reports_[first].kind;
    if (reports_[first].report.empty() || to_string(got) == "unknown")
        return break_law("G11", "a report that says nothing, or is of no kind");
    if (got != due && got != other)
        break_law("G11", "reported as {} instead of {}: {}", to_string(got), to_string(due),
                  reports_[first].report);
}

/// Is what was found one of `laws`, which have spaces between?
bool Machine::names_law(std::string_view laws, const MaybeViolation& found) {
    return found && fmt::format(" {} ", laws).find(fmt::format(" {} ", found->law)) != std::string::npos;
}

/// A damage of which nobody told rightly. What is wrong after the repair was wrong before the damage.
void Machine::judge_damage(std::string_view what, std::string_view laws, const MaybeViolation& found,
                           const MaybeViolation& repaired) {
    if (repaired) return break_law(*repaired);
    const std::string_view law = laws.substr(0, laws.find(' '));
    if (!found) return break_law(Violation{law, fmt::format("nobody noticed {}", what)});
    break_law(Violation{law, fmt::format("{} was taken for {}: {}", what, found->law, found->what)});
}

void Machine::judge_free_blocks(const FreeBlocks& at_begin, const FreeBlocks& now) {
    if (now == at_begin) return;
    break_law("B16", "free blocks of each order: {} at the begin, {} now", fmt::join(*at_begin, " "),
              fmt::join(*now, " "));
}

MaybeFinding run(const MachineMaker& make, const Program& program, const Language& language,
                 const Observer& observer) {
    std::unique_ptr<Machine> machine;
    try {
        machine = make(program.setup, language);
    } catch (const UsageError&) {
        return {};  // a set-up that no machine has: too small for its zones, or settings that exclude others
    }
    Runner runner{*machine, program, observer};
    try {
        return runner.run();
    } catch (const Endless&) {
        abandon(std::move(machine));
        return Finding{"C4", fmt::format("an operation passes more than {} marked points", most_points),
                       runner.next() - 1};
    }
}

}  // namespace kmemlab::fuzz

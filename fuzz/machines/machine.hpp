/// Machine: what a program runs on. It performs operations on one allocator, keeps a model of what callers
/// have (what lives where, whose, with what content), and judges each result by the laws.
///
/// run() drives it: operation by operation, with the schedule that strikes name, a walk of find_violation()
/// every few operations, and in the end the teardown: everything is freed and drained, and all is as before.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocators/base/allocator_types.hpp"
#include "allocators/base/check.hpp"
#include "allocators/base/misuse.hpp"
#include "allocators/machine/cpus.hpp"
#include "fuzz/damage/damage.hpp"
#include "fuzz/oracle/finding.hpp"
#include "fuzz/program/program.hpp"

namespace kmemlab::fuzz {

class Machine {
  public:
    virtual ~Machine() = default;

    /// Does it and judges it: break_law(). May be called again from a schedule in the midst of one.
    virtual void perform(const Operation& op) = 0;
    /// Every law of the allocator, and the content of everything live. Never in the midst of an operation.
    [[nodiscard]] virtual MaybeViolation find_violation() = 0;
    /// Frees and drains everything; then judges that all is as at the begin.
    virtual void tear_down() = 0;
    /// Who decides at marked points, for machines that have them.
    virtual void follow(Schedule*) {}
    /// Requests for pages so far, where operation `fail` can refuse them.
    [[nodiscard]] virtual std::uint64_t page_requests() const { return 0; }
    /// The state of what an operation touches, for people.
    [[nodiscard]] virtual std::string describe() const { return {}; }

    [[nodiscard]] const MaybeViolation& broken() const { return broken_; }
    /// A planted misuse was judged: nothing more may be asked of this machine.
    [[nodiscard]] bool ended() const { return ended_; }

  protected:
    /// The first counts.
    void break_law(Violation violation) {
        if (!broken_) broken_ = std::move(violation);
    }
    template <class... Args>
    void break_law(std::string_view law, fmt::format_string<Args...> format, Args&&... args) {
        if (!broken_) broken_ = violation(law, format, std::forward<Args>(args)...);
    }
    void end() { ended_ = true; }

    /// Nobody did anything wrong: a report is a false alarm.
    void judge_reports();
    /// G11: since there were `first` reports came one, of the kind that is due, or of the other that may be
    /// said too. Nothing else is asked of the machine afterwards.
    void judge_report(std::size_t first, MisuseKind due, MisuseKind other);
    /// Damages one of `parts`, from number op.slot on the next in which there is what `kinds` name, and
    /// judges whether the checker `find` notices that.
    template <class Part, class Find>
    void damage(const Operation& op, std::span<Part> parts, std::span<const DamageKind<Part>> kinds,
                Find&& find) {
        const DamageKind<Part>& kind = kinds[op.count % kinds.size()];
        Damage damage{op.size};
        for (std::size_t i = 0; i < parts.size() && !damage.done(); ++i)
            kind.inflict(parts[(op.slot + i) % parts.size()], damage);
        if (!damage.done()) return;
        const MaybeViolation found = find();
        damage.repair();
        // Where it was noticed, the next walk sees whether the repair was one: a walk is dear.
        if (!names_law(kind.laws, found)) judge_damage(kind.what, kind.laws, found, find());
    }
    /// B16, in the end.
    void judge_free_blocks(const FreeBlocks& at_begin, const FreeBlocks& now);

    MisuseLog log_ = MisuseLog::keep_going([this](const Misuse& misuse) { reports_.push_back(misuse); });
    std::vector<Misuse> reports_;

  private:
    [[nodiscard]] static bool names_law(std::string_view laws, const MaybeViolation& found);
    void judge_damage(std::string_view what, std::string_view laws, const MaybeViolation& found,
                      const MaybeViolation& repaired);

    MaybeViolation broken_;
    bool ended_ = false;
};

using MachineMaker = std::function<std::unique_ptr<Machine>(const Setup&, const Language&)>;

/// Told before each operation: index and how deep it strikes into others.
using Observer = std::function<void(const Machine&, std::size_t index, unsigned depth)>;

/// Marked points that one operation may pass before C4 is broken.
inline constexpr std::uint64_t most_points = 200000;

[[nodiscard]] MaybeFinding run(const MachineMaker& make, const Program& program, const Language& language,
                               const Observer& observer = {});

}  // namespace kmemlab::fuzz

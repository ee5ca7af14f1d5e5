#include "fuzz/reduce/reducer.hpp"

#include <algorithm>
#include <utility>

namespace kmemlab::fuzz {
namespace {

class Reducer {
  public:
    Reducer(Reduction& best, const Trial& trial, std::size_t most)
        : best_{best}, trial_{trial}, most_{most} {}

    void run() {
        // What stands behind the operation that broke the law is of no use.
        if (best_.finding.operation < best_.program.operations.size()) {
            Program shorter = best_.program;
            shorter.operations.resize(best_.finding.operation + 1);
            static_cast<void>(accept(shorter));
        }
        bool better = true;
        while (better && best_.trials < most_) {
            better = leave_out();
            better = simplify_operations() || better;
            better = simplify_setup() || better;
        }
    }

  private:
    /// Does it still break the same law? Then it is the best.
    bool accept(const Program& candidate) {
        if (candidate == best_.program || best_.trials >= most_) return false;
        ++best_.trials;
        auto found = trial_(candidate);
        if (!found || found->law != best_.finding.law) return false;
        best_.program = candidate;
        best_.finding = std::move(*found);
        return true;
    }

    /// Runs of operations, from halves down to single ones, the last first.
    bool leave_out() {
        bool better = false;
        for (std::size_t length = (best_.program.operations.size() + 1) / 2; length > 0; length /= 2) {
            for (std::size_t end = best_.program.operations.size(); end > 0;) {
                const std::size_t begin = end > length ? end - length : 0;
                Program candidate = best_.program;
                const auto first = candidate.operations.begin();
                candidate.operations.erase(first + static_cast<std::ptrdiff_t>(begin),
                                           first + static_cast<std::ptrdiff_t>(end));
                better = accept(candidate) || better;
                end = std::min(begin, best_.program.operations.size());
            }
        }
        return better;
    }

    /// One change of the program by `change`; kept if it serves.
    template <class Change>
    bool attempt(Change&& change) {
        Program candidate = best_.program;
        change(candidate);
        return accept(candidate);
    }
    /// The number becomes the least that serves, of 0, 1, its halves, and one less.
    template <class Number, class Get>
    bool lower(Get&& get) {
        bool better = false;
        for (bool again = true; again;) {
            again = false;
            const auto now = static_cast<Number>(get(best_.program));
            for (const Number less :
                 {Number{0}, Number{1}, static_cast<Number>(now / 2), static_cast<Number>(now - 1)}) {
                if (less >= now) continue;
                again = attempt([&](Program& p) { get(p) = less; });
                if (again) break;
            }
            better = better || again;
        }
        return better;
    }

    bool simplify_operations() {
        bool better = false;
        for (std::size_t i = 0; i < best_.program.operations.size(); ++i) {
            const auto number = [&](auto member) {
                return [ i, member ](Program & p) -> auto& {
                    return p.operations[i].*member;
                };
            };
            better =
                attempt([&](Program& p) { p.operations[i].strike_at = p.operations[i].strike_count = 0; }) ||
                better;
            // A piece of work done once may serve as well as many times.
            for (const OpKind plain : {OpKind::alloc, OpKind::release, OpKind::cache_alloc, OpKind::pages}) {
                const OpKind kind = best_.program.operations[i].kind;
                const bool alike = (kind == OpKind::alloc_many && plain == OpKind::alloc) ||
                                   (kind == OpKind::cache_bulk && plain == OpKind::cache_alloc) ||
                                   (kind == OpKind::pages_bulk && plain == OpKind::pages) ||
                                   ((kind == OpKind::release_bulk || kind == OpKind::release_some) &&
                                    plain == OpKind::release);
                if (alike) better = attempt([&](Program& p) { p.operations[i].kind = plain; }) || better;
            }
            for (auto member :
                 {&Operation::cpu, &Operation::slot, &Operation::gfp, &Operation::align, &Operation::count}) {
                better = lower<std::uint8_t>(number(member)) || better;
            }
            better = lower<std::uint32_t>(number(&Operation::size)) || better;
            if (best_.program.operations[i].strike_at > 0) {
                for (auto member : {&Operation::strike_at, &Operation::strike_count}) {
                    better = lower<std::uint8_t>(number(member)) || better;
                }
            }
        }
        return better;
    }

    bool simplify_setup() {
        bool better = attempt([](Program& p) { p.setup = Setup{.walk = p.setup.walk}; });
        better = attempt([](Program& p) { p.setup.features = 0; }) || better;
        for (auto member : {&Setup::cpus, &Setup::arena, &Setup::start, &Setup::layout, &Setup::walk}) {
            better = lower<std::uint8_t>([&](Program & p) -> auto& { return p.setup.*member; }) || better;
        }
        for (std::size_t i = 0; i < knob_count; ++i) {
            better = lower<std::uint8_t>([&](Program & p) -> auto& { return p.setup.knobs[i]; }) || better;
        }
        return better;
    }

    Reduction& best_;
    const Trial& trial_;
    std::size_t most_;
};

}  // namespace

Reduction reduce(const Program& program, const Finding& finding, const Trial& trial,
                 std::size_t most_trials) {
    Reduction best{.program = program, .finding = finding, .trials = 0};
    Reducer{best, trial, most_trials}.run();
    return best;
}

}  // namespace kmemlab::fuzz

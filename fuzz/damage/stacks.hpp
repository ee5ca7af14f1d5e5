/// What can be damaged in kernel stacks.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "allocators/kstack/inside.hpp"
#include "fuzz/damage/damage.hpp"

namespace kmemlab::fuzz {

/// `Below` says which kind of stacks (stack_machine.hpp).
template <class Below>
struct StackPart {
    typename Below::Stacks& stacks;
    KernelStack& stack;  ///< of a task
    CpuId cpu;
};

template <class Below>
class StackDamages {
    using Part = StackPart<Below>;
    using Inside = typename Below::Stacks::Inside;
    static constexpr bool mapped_whole = Below::guarded && !Below::grows;

    static void shift_base(const Part& p, Damage& d) { d.set(p.stack.base, p.stack.base + 8); }
    static void leave_place(const Part& p, Damage& d) { d.set(p.stack.place, StackPlace::cached); }
    static void let_wait(const Part& p, Damage& d) {
        auto& pending = Inside::pending(p.stacks, p.cpu);
        d.keep(pending);
        pending.push_back(&p.stack);
    }
    static void count_task(const Part& p, Damage& d) {
        std::int64_t& accounted = Inside::accounted(p.stacks, p.cpu);
        d.set(accounted, accounted + 1);
    }
    static void drop_references(const Part& p, Damage& d) { d.set(p.stack.references, 0U); }
    static void lose_page(const Part& p, Damage& d) {
        if (!mapped_whole) d.set(p.stack.first_mapped, p.stack.first_mapped + 1);
    }
    static void change_page(const Part& p, Damage& d) {
        if (mapped_whole) d.set(p.stack.frames[0], p.stack.frames[0] + 1);
    }

  public:
    static constexpr std::array<DamageKind<Part>, 7> kinds{{
        {"a stack that is not aligned", "K2", shift_base},
        {"a task's stack that thinks it is cached", "K4", leave_place},
        {"a task's stack that waits for a grace period", "K4", let_wait},
        {"a task that is counted and does not live", "K5", count_task},
        {"a task's stack without references", "K7", drop_references},
        {"a page that a stack lost", "G8 V5", lose_page},
        {"a page that leads elsewhere", "V5", change_page},
    }};
};

}  // namespace kmemlab::fuzz

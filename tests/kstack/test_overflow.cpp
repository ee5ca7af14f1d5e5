// Overflows: found late on stacks without a guard page, at once on those with one; and the handler of faults.
#include <catch2/catch.hpp>

#include <sys/mman.h>

#include <csignal>

#include "tests/kstack/machine.hpp"
#include "tests/support/child.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr std::size_t thread_size = std::size_t{16} << 10;

void touch(VirtAddr at) {
    *reinterpret_cast<volatile char*>(at.value()) = 1;
}

}  // namespace

TEST_CASE(
    "a direct stack that overflows writes into its neighbour, and the next check finds its end magic gone") {
    DirectMachine m;
    KernelStack* lower = m.stacks.create(1, cpu0);
    KernelStack* upper = m.stacks.create(2, cpu0);
    if (lower->base > upper->base) std::swap(lower, upper);
    REQUIRE(lower->base + thread_size == upper->base);
    CHECK(m.stacks.used_bytes(*lower) == 0);

    CHECK(m.stacks.use(*upper, thread_size + 256, cpu0).outcome ==
          StackUse::Outcome::fine);  // nobody noticed
    CHECK(m.misuses.empty());
    CHECK(m.stacks.used_bytes(*lower) > 0);  // never used by its own task
    CHECK(m.stacks.is_intact(*lower));

    const TaskId guilty = upper->task;
    const VirtAddr base = upper->base;
    m.stacks.exit(*upper, cpu0);
    REQUIRE(m.misuses.size() == 1);
    CHECK(m.misuses[0].kind == MisuseKind::overwritten);
    CHECK(m.misuses[0].address == reinterpret_cast<void*>(base.value()));
    CHECK_THAT(m.misuses[0].report,
               Catch::StartsWith("corrupted stack end detected: task " + std::to_string(guilty)));
    CHECK_THAT(m.misuses[0].report, Catch::EndsWith("expected 0x57ac6e9d\n"));
    CHECK(m.stacks.stats().corrupted_ends == 1);
    CHECK(violation(m.stacks) == "");
}

TEST_CASE("a direct stack's overflow ends where the arena begins") {
    Board board{std::size_t{1} << 20};
    // The lowest block of the arena, as far as buddy gives it.
    DirectStacks<OwnedCpus> stacks{board.cpus, plain_config(), board.log, board.buddy};
    KernelStack* lowest = nullptr;
    while (KernelStack* const stack = stacks.create(1, cpu0)) {
        if (lowest == nullptr || stack->base < lowest->base) lowest = stack;
    }
    stacks.use(*lowest, std::size_t{8} << 20, cpu0);
    CHECK_FALSE(stacks.is_intact(*lowest));
}

TEMPLATE_TEST_CASE("an overflow onto a guard page is caught and reported with task, depth and address", "",
                   VmappedMachine, SoftMachine, DynamicMachine) {
    TestType m;
    KernelStack* const below = m.stacks.create(1, cpu0);
    KernelStack* const stack = m.stacks.create(42, cpu0);
    m.stacks.use(*below, 64, cpu0);
    const StackUse use = m.stacks.use(*stack, thread_size + 64, cpu1);
    CHECK(use.outcome == StackUse::Outcome::overflow);
    CHECK(use.address < stack->base);
    CHECK(use.address >= VirtAddr{stack->base.value() - 64});
    REQUIRE(m.misuses.size() == 1);
    CHECK(m.misuses[0].kind == MisuseKind::stack_overflow);
    CHECK(m.misuses[0].address == reinterpret_cast<void*>(use.address.value()));
    CHECK_THAT(m.misuses[0].report, Catch::StartsWith("BUG: TASK stack guard page was hit at 0x"));
    CHECK_THAT(m.misuses[0].report, Catch::Contains("task 42 on CPU 1 used 164"));
    CHECK(m.stacks.stats().guard_hits == 1);
    // The program lives, and so does everything else.
    CHECK(m.stacks.used_bytes(*below) == 64);
    CHECK(m.stacks.use(*below, 2000, cpu0) == StackUse{});
    CHECK(violation(m.stacks) == "");
    for (int again = 0; again < 100; ++again) {
        CHECK(m.stacks.use(*stack, thread_size + 8, cpu0).outcome == StackUse::Outcome::overflow);
    }
    CHECK(m.misuses.size() == 101);
}

TEST_CASE("one byte below a stack and one behind it fault at once, whatever lay there before") {
    VmappedMachine m;
    std::vector<KernelStack*> stacks;
    // Areas of other sizes come and go, so that stacks lie beside lazy and purged ones.
    for (int round = 0; round < 300; ++round) {
        const auto other = m.vmalloc.vmalloc(static_cast<std::size_t>(1 + round % 7) << page_shift, cpu0);
        stacks.push_back(m.stacks.create(static_cast<TaskId>(round), cpu0));
        m.vmalloc.vfree(*other, cpu0);
        if (round % 3 == 0) {
            exit_at_once(m.stacks, *stacks[stacks.size() / 2], cpu1);
            stacks.erase(stacks.begin() + static_cast<std::ptrdiff_t>(stacks.size() / 2));
        }
        if (round % 50 == 49) m.vmalloc.vm_unmap_aliases(cpu0);
    }
    for (const KernelStack* const stack : stacks) {
        const VirtAddr below{stack->base.value() - 1};
        const VirtAddr behind = stack->base + thread_size;
        CHECK(fault_of([&] { touch(below); }) == below);
        CHECK(fault_of([&] { touch(behind); }) == behind);
        CHECK(fault_of([&] { static_cast<void>(*reinterpret_cast<volatile char*>(stack->base.value())); }) ==
              std::nullopt);
    }
    CHECK(violation(m.stacks) == "");
}

TEST_CASE("the lowest stack of a window has a page below it that faults") {
    VmappedMachine m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    REQUIRE(stack.base == m.mmu.window().begin);
    CHECK(m.stacks.use(stack, thread_size + page_size, cpu0).outcome == StackUse::Outcome::overflow);
}

TEST_CASE("a freed stack can be reached until the flush, and faults afterwards") {
    StackConfig config = plain_config();
    config.cache = false;
    VmappedMachine m{config};
    KernelStack& stack = *m.stacks.create(1, cpu0);
    const VirtAddr at = stack.base + 100;
    exit_at_once(m.stacks, stack, cpu0);
    CHECK(fault_of([&] { touch(at); }) == std::nullopt);
    m.vmalloc.vm_unmap_aliases(cpu0);
    CHECK(fault_of([&] { touch(at); }) == at);
}

TEST_CASE("a fault that nobody waits for ends the process as if there were no handler") {
    VmappedMachine m;
    const KernelStack& stack = *m.stacks.create(1, cpu0);
    CHECK(run_in_child([&] { touch(VirtAddr{stack.base.value() - 1}); }).signal == SIGSEGV);
}

TEST_CASE("a fault elsewhere, and a signal that was sent, go to the handler that was there before") {
    const auto end = run_in_child([] {
        struct sigaction former {};
        former.sa_handler = [](int) { _exit(33); };
        sigaction(SIGSEGV, &former, nullptr);
        const CaughtWindow window{{VirtAddr{0x10000}, VirtAddr{0x20000}}};
        static_cast<void>(fault_of([] { touch(VirtAddr{0x30000}); }));
    });
    CHECK(end.status == 33);
    const auto sent = run_in_child([] {
        const CaughtWindow window{{VirtAddr{0x10000}, VirtAddr{0x20000}}};
        raise(SIGSEGV);
    });
    CHECK(sent.signal == SIGSEGV);
}

TEST_CASE("the former handler is back when the last window has gone") {
    struct sigaction before {};
    sigaction(SIGSEGV, nullptr, &before);
    {
        const CaughtWindow one{{VirtAddr{0x10000}, VirtAddr{0x20000}}};
        const CaughtWindow two{{VirtAddr{0x30000}, VirtAddr{0x40000}}};
        struct sigaction ours {};
        sigaction(SIGSEGV, nullptr, &ours);
        CHECK(ours.sa_sigaction != before.sa_sigaction);
        CHECK(fault_of([] { touch(VirtAddr{0x18000}); }) == VirtAddr{0x18000});
        CHECK(fault_of([] { touch(VirtAddr{0x3ffff}); }) == VirtAddr{0x3ffff});
    }
    struct sigaction after {};
    sigaction(SIGSEGV, nullptr, &after);
    CHECK(after.sa_sigaction == before.sa_sigaction);
}

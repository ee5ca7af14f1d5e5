// Dynamic stacks: pages come by real faults, from a reserve that may be empty.
#include <catch2/catch.hpp>

#include "tests/kstack/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

std::uint64_t pages_of(const DynamicMachine& m, const KernelStack& stack) {
    return m.stacks.layout().pages() - stack.first_mapped;
}

}  // namespace

TEST_CASE("a dynamic stack begins with one page and grows by as many as its depth needs") {
    DynamicMachine m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    CHECK(pages_of(m, stack) == 1);
    CHECK(m.stacks.use(stack, page_size, cpu0) == StackUse{});
    CHECK(pages_of(m, stack) == 1);
    CHECK(m.stacks.use(stack, page_size + 8, cpu0) == StackUse{});
    CHECK(pages_of(m, stack) == 2);
    CHECK(m.stacks.use(stack, 4 * page_size - 8, cpu0) == StackUse{});
    CHECK(pages_of(m, stack) == 4);
    CHECK(m.stacks.stats().grown_pages == 3);
    CHECK(*stack.lowest_word == stack_end_magic);
    CHECK(violation(m.stacks) == "");
}

TEST_CASE("a first access far down brings all pages above it") {
    DynamicMachine m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    const VirtAddr deep = stack.base + page_size;
    CHECK(fault_of([&] { *reinterpret_cast<volatile char*>(deep.value()) = 1; }) == std::nullopt);
    CHECK(pages_of(m, stack) == 3);
}

TEST_CASE("grown memory is zero where nothing was written") {
    DynamicMachine m;
    // Pages that were dirty before come back from buddy.
    for (TaskId task = 0; task < 200; ++task) {
        KernelStack& stack = *m.stacks.create(task, cpu0);
        const VirtAddr deep = stack.base + 16;
        CHECK(fault_of([&] { *reinterpret_cast<volatile std::uint64_t*>(deep.value()) = 5; }) ==
              std::nullopt);
        CHECK(m.stacks.used_bytes(stack) == 4 * page_size - 16);
        *reinterpret_cast<volatile std::uint64_t*>(deep.value()) = 0;
        CHECK(m.stacks.used_bytes(stack) == 0);
        m.stacks.use(stack, 4 * page_size - 8, cpu0);
        m.stacks.exit(stack, cpu0);
        if (task % 2 == 0) m.stacks.offline(cpu0);
    }
}

TEST_CASE("an empty reserve is an outcome: the access did not happen, everybody lives") {
    StackConfig config = plain_config();
    config.reserve = 1;
    DynamicMachine m{config};
    KernelStack& stack = *m.stacks.create(1, cpu0);
    const StackUse use = m.stacks.use(stack, 3 * page_size, cpu0);
    CHECK(use.outcome == StackUse::Outcome::exhausted);
    CHECK(use.address.page() == stack.base.plus_pages(1).page());
    CHECK(pages_of(m, stack) == 2);
    CHECK(m.stacks.stats().exhausted == 1);
    CHECK(m.misuses.empty());
    // The reserve is full again when a task comes to the CPU.
    CHECK(m.stacks.memory().reserved_pages(cpu0) == 0);
    CHECK(m.stacks.use(stack, 3 * page_size, cpu0) == StackUse{});
    CHECK(violation(m.stacks) == "");
}

TEST_CASE("a task grows from the reserve of the CPU that it runs on") {
    StackConfig config = plain_config();
    config.reserve = 2;
    DynamicMachine m{config};
    KernelStack& stack = *m.stacks.create(1, cpu0);
    stack.cpu = cpu1;
    m.stacks.memory().refill(cpu1);
    CHECK(fault_of([&] { *reinterpret_cast<volatile char*>((stack.base + 2 * page_size).value()) = 1; }) ==
          std::nullopt);
    CHECK(m.stacks.memory().reserved_pages(cpu0) == 2);
    CHECK(m.stacks.memory().reserved_pages(cpu1) == 1);
    CHECK(m.stacks.use(stack, 4 * page_size - 8, cpu1) == StackUse{});
    CHECK(m.stacks.memory().reserved_pages(cpu0) == 2);
    CHECK(m.stacks.memory().reserved_pages(cpu1) == 0);
}

TEST_CASE("with all memory gone stacks cannot grow, and say so") {
    DynamicMachine m{plain_config(), std::size_t{2} << 20};
    std::vector<KernelStack*> stacks;
    while (KernelStack* const stack = m.stacks.create(stacks.size(), cpu0)) stacks.push_back(stack);
    unsigned grown = 0;
    unsigned refused = 0;
    for (KernelStack* const stack : stacks) {
        const auto outcome = m.stacks.use(*stack, 2 * page_size, cpu0).outcome;
        (outcome == StackUse::Outcome::fine ? grown : refused) += 1;
    }
    CHECK(grown <= 3 * cpu_count);
    CHECK(grown + refused == stacks.size());
    CHECK(m.stacks.stats().exhausted == refused);
    CHECK(violation(m.stacks) == "");
    exit_at_once(m.stacks, *stacks[0], cpu0);
    m.stacks.offline(cpu0);
    m.stacks.drain(cpu0);
    CHECK(violation(m.stacks) == "");
}

TEST_CASE("a stack in a slot keeps the pages that it has grown") {
    DynamicMachine m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    m.stacks.use(stack, 2 * page_size, cpu0);
    m.stacks.exit(stack, cpu0);
    REQUIRE(m.stacks.create(2, cpu0) == &stack);
    CHECK(pages_of(m, stack) == 2);
    CHECK(m.stacks.used_bytes(stack) == 0);
}

TEST_CASE("a populated stack has all its pages and no fault") {
    DynamicMachine m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    REQUIRE(m.stacks.populate(stack, cpu0));
    CHECK(pages_of(m, stack) == 4);
    CHECK(m.stacks.use(stack, 4 * page_size - 8, cpu0) == StackUse{});
    CHECK(m.stacks.stats().grown_pages == 0);
    CHECK(violation(m.stacks) == "");
}

TEST_CASE("mappings of dynamic stacks stay within the limit of the process") {
    Board board{std::size_t{64} << 20};
    HostMmu mmu{board.arena, {.mapping_limit = 100}};
    DynamicStacks<OwnedCpus> stacks{board.cpus, plain_config(), board.log, board.buddy, mmu};
    std::vector<KernelStack*> live;
    while (KernelStack* const stack = stacks.create(live.size(), cpu0)) live.push_back(stack);
    CHECK(live.size() >= 100 / 6);
    CHECK(mmu.stats().refused_for_limit == 1);
    CHECK(mmu.stats().mappings <= 100);
    for (KernelStack* const stack : live) CHECK(stacks.use(*stack, 4 * page_size - 8, cpu0) == StackUse{});
    CHECK(violation(stacks) == "");
}

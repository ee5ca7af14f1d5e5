// Each law of kernel stacks is broken deep inside, and the checker must name it.
#include <catch2/catch.hpp>

#include "allocators/kstack/inside.hpp"
#include "allocators/mmu/inside.hpp"
#include "tests/kstack/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

template <class Stacks>
std::string law(const Stacks& stacks) {
    const auto found = stacks.find_violation();
    return found ? std::string{found->law} : "";
}

/// Maps `frame` at an address, behind everybody's back.
void map_there(HostMmu& mmu, VirtAddr at, Pfn frame) {
    REQUIRE(mmu.map(at, std::span{&frame, 1}, cpu0));
}

}  // namespace

TEMPLATE_TEST_CASE("K1: a mapped page beside a stack is found", "", VmappedMachine, DynamicMachine) {
    for (const bool below : {true, false}) {
        TestType m;
        REQUIRE(m.stacks.create(1, cpu0));
        KernelStack& stack = *m.stacks.create(2, cpu0);
        CHECK(law(m.stacks) == "");
        map_there(m.mmu, below ? VirtAddr{stack.base.value() - page_size} : stack.base.plus_pages(4),
                  Pfn{100});
        CHECK(law(m.stacks) == "K1");
    }
}

TEMPLATE_TEST_CASE("K2: a stack at a wrong address is found", "", DirectMachine, VmappedMachine) {
    TestType m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    stack.base = stack.base + page_size;
    CHECK(law(m.stacks) == "K2");
}

TEMPLATE_TEST_CASE("K3: a stack that was handed out dirty is found", "", DirectMachine, VmappedMachine,
                   SoftMachine, DynamicMachine) {
    for (const std::size_t depth : {std::size_t{8}, std::size_t{4000}}) {
        TestType m;
        KernelStack& stack = *m.stacks.create(1, cpu0);
        auto* const words = reinterpret_cast<std::uint64_t*>(m.arena.address(stack.frames[3]));
        words[(page_size - depth) / 8] = 1;
        CHECK(law(m.stacks) == "K3");
    }
}

TEST_CASE("K3: a stack without its end magic is found") {
    VmappedMachine m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    *stack.lowest_word = 0;
    CHECK(law(m.stacks) == "K3");
}

TEST_CASE("K4: a stack in two slots, in none, or in another's is found") {
    VmappedMachine m;
    using Inside = VmappedStacks<OwnedCpus, HostMmu>::Inside;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    m.stacks.exit(stack, cpu0);
    auto& cache = Inside::cache(m.stacks);
    SECTION("twice on one CPU") {
        REQUIRE(cache.put(&stack, cpu0));
    }
    SECTION("on two CPUs") {
        REQUIRE(cache.put(&stack, cpu1));
    }
    SECTION("nowhere") {
        REQUIRE(cache.take(cpu0));
    }
    SECTION("in a slot and waiting") {
        Inside::pending(m.stacks, cpu0).push_back(&stack);
    }
    SECTION("of a task too") {
        stack.place = StackPlace::task;
    }
    CHECK(law(m.stacks) == "K4");
}

TEMPLATE_TEST_CASE("K5: a task that is counted too much or too little is found", "", DirectMachine,
                   VmappedMachine, DynamicMachine) {
    using Inside = typename decltype(TestType::stacks)::Inside;
    TestType m;
    REQUIRE(m.stacks.create(1, cpu0));
    ++Inside::accounted(m.stacks, cpu1);
    CHECK(law(m.stacks) == "K5");
    Inside::accounted(m.stacks, cpu1) -= 2;
    CHECK(law(m.stacks) == "K5");
}

TEMPLATE_TEST_CASE("K6: memory that can be reached beside a stack is found", "", VmappedMachine,
                   DynamicMachine) {
    TestType m;
    REQUIRE(m.stacks.create(1, cpu0));
    KernelStack& stack = *m.stacks.create(2, cpu0);
    // Unmapped and not flushed: no translation any more, yet an access succeeds.
    const VirtAddr below{stack.base.value() - page_size};
    map_there(m.mmu, below, Pfn{100});
    m.mmu.unmap(below, 1, cpu0);
    CHECK(law(m.stacks) == "K6");
    m.mmu.flush(below, below + page_size, cpu0);
    CHECK(law(m.stacks) == "");
}

TEMPLATE_TEST_CASE("K7: a stack in use without a reference, or kept with one, is found", "", DirectMachine,
                   VmappedMachine, DynamicMachine) {
    TestType m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    stack.references = 0;
    CHECK(law(m.stacks) == "K7");
    stack.references = 1;
    m.stacks.exit(stack, cpu0);
    CHECK(law(m.stacks) == "");
    stack.references = 1;
    CHECK(law(m.stacks) == "K7");
}

TEST_CASE("G8: pages that stacks do not have are found") {
    DynamicMachine m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    m.stacks.use(stack, 2 * page_size, cpu0);
    CHECK(law(m.stacks) == "");
    ++stack.first_mapped;
    CHECK(law(m.stacks) == "G8");
}

TEST_CASE("V5: a page of a stack that leads elsewhere is found") {
    VmappedMachine m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    KernelStack& other = *m.stacks.create(2, cpu0);
    std::swap(stack.frames[1], other.frames[1]);
    CHECK(law(m.stacks) == "V5");
}

TEST_CASE("a cached stack is dirty, and that is no fault") {
    VmappedMachine m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    m.stacks.use(stack, 5000, cpu0);
    m.stacks.exit(stack, cpu0);
    CHECK(law(m.stacks) == "");
}

// Several threads, each a CPU: stacks come and go, grow and overflow at once.
#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

#include "tests/kstack/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr unsigned rounds = 400;

template <class Body>
void on_each_cpu(Body body) {
    std::vector<std::thread> threads;
    for (unsigned c = 0; c < cpu_count; ++c) threads.emplace_back([&, c] { body(CpuId{c}); });
    for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEMPLATE_TEST_CASE("tasks of one CPU may exit on another", "", DirectMachine, VmappedMachine, SoftMachine,
                   DynamicMachine) {
    TestType m;
    const std::uint64_t at_first = m.buddy.pages_in_use();
    std::array<std::atomic<KernelStack*>, 16> mailbox{};
    std::atomic<unsigned> dirty{0};
    on_each_cpu([&](CpuId cpu) {
        for (unsigned i = 0; i < rounds; ++i) {
            KernelStack* const mine = m.stacks.create(i, cpu);
            if (m.stacks.used_bytes(*mine) != 0) ++dirty;
            m.stacks.use(*mine, 1 + (i * 977) % 12000, cpu);
            KernelStack* const old = mailbox[(i * 7 + cpu.value()) % mailbox.size()].exchange(mine);
            if (old == nullptr) continue;
            m.stacks.use(*old, 1 + (i * 577) % 16000, cpu);
            exit_at_once(m.stacks, *old, cpu);
        }
    });
    CHECK(dirty == 0);
    CHECK(m.misuses.empty());
    CHECK(violation(m.stacks) == "");
    for (auto& slot : mailbox) {
        if (KernelStack* const stack = slot.load()) exit_at_once(m.stacks, *stack, cpu0);
    }
    m.stacks.drain(cpu0);
    CHECK(m.stacks.stats().accounted == 0);
    CHECK(m.buddy.pages_in_use() == at_first);
    CHECK(violation(m.stacks) == "");
}

TEMPLATE_TEST_CASE("overflows of several threads are caught each in its own", "", VmappedMachine,
                   DynamicMachine) {
    TestType m;
    m.log = MisuseLog::keep_going();
    std::array<KernelStack*, cpu_count> stacks{};
    for (unsigned c = 0; c < cpu_count; ++c) stacks[c] = m.stacks.create(c, CpuId{c});
    std::atomic<unsigned> wrong{0};
    on_each_cpu([&](CpuId cpu) {
        KernelStack& mine = *stacks[cpu.value()];
        for (unsigned i = 0; i < rounds; ++i) {
            const auto fault =
                fault_of([&] { *reinterpret_cast<volatile char*>(mine.base.value() - 1 - i) = 1; });
            if (fault != VirtAddr{mine.base.value() - 1 - i}) ++wrong;
            if (m.stacks.use(mine, 8 * (i % 512), cpu) != StackUse{}) ++wrong;
        }
    });
    CHECK(wrong == 0);
    CHECK(violation(m.stacks) == "");
}

// What holds for kernel stacks of every kind.
#include <catch2/catch.hpp>

#include <algorithm>

#include "tests/kstack/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

#define EVERY_KIND DirectMachine, VmappedMachine, SoftMachine, DynamicMachine

TEMPLATE_TEST_CASE("a new stack is aligned and all zero but for its end magic", "", EVERY_KIND) {
    TestType m;
    KernelStack* const stack = m.stacks.create(7, cpu0);
    REQUIRE(stack != nullptr);
    CHECK(stack->base.value() % (16 << 10) == 0);
    CHECK(m.stacks.used_bytes(*stack) == 0);
    const std::uint64_t* const lowest = stack->lowest_word;
    if (lowest != nullptr) CHECK(*lowest == 0x57AC6E9D);
    CHECK(m.stacks.find(stack->base) == stack);
    CHECK(m.stacks.find(stack->base + page_size) == nullptr);
    CHECK(violation(m.stacks) == "");
}

TEMPLATE_TEST_CASE("the used depth is that of the deepest frame ever", "", EVERY_KIND) {
    TestType m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    for (const std::size_t depth :
         {std::size_t{8}, std::size_t{1000}, std::size_t{4096}, std::size_t{4104}, std::size_t{300},
          std::size_t{12000}, (16 << 10) - sizeof(stack_end_magic)}) {
        const std::size_t before = m.stacks.used_bytes(stack);
        CHECK(m.stacks.use(stack, depth, cpu0) == StackUse{});
        CHECK(m.stacks.used_bytes(stack) == std::max(before, depth));
        CHECK(m.stacks.is_intact(stack));
    }
    CHECK(violation(m.stacks) == "");
}

TEMPLATE_TEST_CASE("what was on a stack is gone when it is handed out again", "", EVERY_KIND) {
    TestType m;
    for (TaskId task = 0; task < 20; ++task) {
        KernelStack& stack = *m.stacks.create(task, cpu0);
        CHECK(m.stacks.used_bytes(stack) == 0);
        CHECK(violation(m.stacks) == "");
        m.stacks.use(stack, 10000, cpu0);
        exit_at_once(m.stacks, stack, cpu0);
    }
    const StackStats stats = m.stacks.stats();
    CHECK(stats.created == 20);
    CHECK(stats.reused == (TestType::caches ? 19 : 0));
    CHECK(m.misuses.empty());
}

TEMPLATE_TEST_CASE("each CPU keeps two stacks, slot 0 before slot 1, of those that end on it", "",
                   VmappedMachine, SoftMachine, DynamicMachine) {
    TestType m;
    std::vector<KernelStack*> stacks;
    for (TaskId task = 0; task < 4; ++task) stacks.push_back(m.stacks.create(task, cpu0));
    for (KernelStack* stack : stacks) m.stacks.exit(*stack, cpu1);
    CHECK(m.stacks.stats().cached == 2);
    CHECK(m.stacks.stats().pending == 2);
    CHECK(violation(m.stacks) == "");
    m.stacks.end_grace_period(cpu1);
    CHECK(m.stacks.stats().cached == 2);
    CHECK(m.stacks.stats().pending == 0);
    CHECK(m.stacks.create(5, cpu0) != stacks[0]);  // of another CPU
    CHECK(m.stacks.create(6, cpu1) == stacks[0]);
    CHECK(m.stacks.create(7, cpu1) == stacks[1]);
    CHECK(violation(m.stacks) == "");
}

TEMPLATE_TEST_CASE("the pages of a stack that is gone carry no mark of it", "", EVERY_KIND) {
    TestType m;
    const KernelStack& stack = *m.stacks.create(1, cpu0);
    const VirtAddr base = stack.base;
    const Page& top = m.arena.page(stack.frames[3]);
    REQUIRE(top.owner == &stack);
    exit_at_once(m.stacks, *m.stacks.find(base), cpu0);
    m.stacks.drain(cpu0);
    CHECK(top.owner == nullptr);
    CHECK(m.stacks.find(base) == nullptr);
    m.buddy.drain(cpu0);
    while (m.buddy.take(Order{0}, GFP_KERNEL | __GFP_NOWARN, cpu0)) {  // every block splits
    }
    CHECK_FALSE(m.buddy.find_violation());
}

TEST_CASE("a stack that waited for a grace period goes to a slot if one became empty") {
    VmappedMachine m;
    std::vector<KernelStack*> stacks;
    for (TaskId task = 0; task < 3; ++task) stacks.push_back(m.stacks.create(task, cpu0));
    for (KernelStack* stack : stacks) m.stacks.exit(*stack, cpu0);
    CHECK(m.stacks.create(3, cpu0) == stacks[0]);
    m.stacks.end_grace_period(cpu0);
    CHECK(m.stacks.stats().cached == 2);
    CHECK(m.stacks.create(4, cpu0) == stacks[2]);
}

TEST_CASE("without the cache every stack is made and freed") {
    StackConfig config = plain_config();
    config.cache = false;
    VmappedMachine m{config};
    for (TaskId task = 0; task < 5; ++task) exit_at_once(m.stacks, *m.stacks.create(task, cpu0), cpu0);
    CHECK(m.stacks.stats().reused == 0);
    CHECK(m.vmalloc.nr_vmalloc_pages() == 0);
    CHECK(m.vmalloc.space().lazy_pages() == 5 * 5);
}

TEMPLATE_TEST_CASE("a CPU that goes offline keeps no stack", "", VmappedMachine, DynamicMachine) {
    TestType m;
    for (TaskId task = 0; task < 2; ++task) exit_at_once(m.stacks, *m.stacks.create(task, cpu1), cpu1);
    CHECK(m.stacks.stats().cached == 1);
    m.stacks.offline(cpu1);
    CHECK(m.stacks.stats().cached == 0);
    CHECK(violation(m.stacks) == "");
}

TEMPLATE_TEST_CASE("a stack that somebody looks at outlives its task, and is not accounted", "", EVERY_KIND) {
    TestType m;
    KernelStack& stack = *m.stacks.create(1, cpu0);
    m.stacks.get(stack);
    CHECK(m.stacks.stats().accounted == 1);
    exit_at_once(m.stacks, stack, cpu0);
    CHECK(m.stacks.stats().accounted == 0);
    CHECK(m.stacks.find(stack.base) == &stack);
    CHECK(violation(m.stacks) == "");
    m.stacks.put(stack, cpu0);
    m.stacks.end_grace_period(cpu0);
    CHECK(m.stacks.stats().held_by_tasks == 0);
    CHECK(violation(m.stacks) == "");
}

TEMPLATE_TEST_CASE("a task that exits twice is reported and nothing else happens", "", EVERY_KIND) {
    TestType m;
    KernelStack& stack = *m.stacks.create(9, cpu0);
    m.stacks.get(stack);
    m.stacks.exit(stack, cpu0);
    m.stacks.exit(stack, cpu0);
    REQUIRE(m.misuses.size() == 1);
    CHECK(m.misuses[0].kind == MisuseKind::double_free);
    CHECK(m.misuses[0].report == "task 9 exits a second time\n");
    CHECK(violation(m.stacks) == "");
}

TEMPLATE_TEST_CASE("when memory ends there is no stack, and nothing has changed", "", EVERY_KIND) {
    TestType m{plain_config(), std::size_t{4} << 20};
    const std::uint64_t at_first = m.buddy.pages_in_use();
    std::vector<KernelStack*> stacks;
    while (KernelStack* const stack = m.stacks.create(stacks.size(), cpu0)) stacks.push_back(stack);
    CHECK(stacks.size() > 100);
    const StackStats full = m.stacks.stats();
    CHECK(full.failed == 1);
    CHECK(full.accounted == stacks.size());
    CHECK(violation(m.stacks) == "");
    CHECK(m.stacks.create(0, cpu0) == nullptr);
    CHECK(m.stacks.stats().held_bytes == full.held_bytes);
    for (KernelStack* const stack : stacks) exit_at_once(m.stacks, *stack, cpu0);
    m.stacks.drain(cpu0);
    CHECK(m.buddy.pages_in_use() == at_first);
    CHECK(violation(m.stacks) == "");
}

TEMPLATE_TEST_CASE("interrupt stacks are one for each CPU and no task's", "", EVERY_KIND) {
    StackConfig config = plain_config();
    config.interrupt_stacks = true;
    TestType m{config};
    for (CpuId c{0}; c.value() < cpu_count; ++c) {
        REQUIRE(m.stacks.interrupt_stack(c) != nullptr);
        CHECK(m.stacks.interrupt_stack(c)->base.value() % m.stacks.layout().align == 0);
    }
    CHECK(m.stacks.interrupt_stack(cpu0) != m.stacks.interrupt_stack(cpu1));
    CHECK(m.stacks.stats().accounted == 0);
    CHECK(m.stacks.stats().held_bytes > 0);
    CHECK(violation(m.stacks) == "");
}

TEST_CASE("interrupt stacks are had for all CPUs or none") {
    DirectMachine m;
    StackConfig config = plain_config();
    config.interrupt_stacks = true;
    const Order order = m.stacks.layout().order();
    std::vector<Pfn> taken;
    while (const auto pfn = m.buddy.take(order, GFP_KERNEL, cpu0)) taken.push_back(*pfn);
    m.buddy.give(taken.back(), order, cpu0);
    const std::uint64_t before = m.buddy.pages_in_use();
    CHECK_THROWS_AS((DirectStacks<OwnedCpus>{m.cpus, config, m.log, m.buddy}), UsageError);
    CHECK(m.buddy.pages_in_use() == before);
}

TEST_CASE("the kernel's files tell the memory of tasks and the depths of those that exited") {
    VmappedMachine m;
    const std::vector<std::size_t> depths{100, 1024, 1032, 3000, 5000, 16000};
    std::vector<KernelStack*> stacks;
    for (const std::size_t depth : depths) {
        stacks.push_back(m.stacks.create(depth, cpu0));
        m.stacks.use(*stacks.back(), depth, cpu0);
    }
    const auto texts = m.stacks.texts();
    REQUIRE(texts.size() == 2);
    CHECK(texts[0].name == "proc/meminfo");
    CHECK(texts[0].content == "KernelStack:          96 kB\n");
    for (KernelStack* const stack : stacks) m.stacks.exit(*stack, cpu1);
    CHECK(m.stacks.texts()[1].name == "proc/vmstat");
    CHECK(m.stacks.texts()[1].content ==
          "nr_kernel_stack 0\nkstack_1k 2\nkstack_2k 1\nkstack_4k 1\nkstack_8k 1\nkstack_16k 1\n");
    CHECK(m.stacks.stats().lowest_free_bytes == (16 << 10) - 16000);
}

TEST_CASE("sizes and alignments of stacks are those of the architectures") {
    const auto check = [](const char* name, std::size_t size, std::size_t align, unsigned order) {
        const auto layout = thread_layout(name);
        REQUIRE(layout);
        CHECK(layout->size == size << 10);
        CHECK(layout->align == align << 10);
        CHECK(layout->order() == Order{order});
        CHECK(thread_layout(name, Kasan::on)->size == size << 11);
    };
    check("x86-64", 16, 16, 2);
    check("arm64", 16, 32, 2);
    check("riscv64", 16, 32, 2);
    check("arm", 8, 16, 1);
    check("i386", 8, 8, 1);
    check("riscv32", 8, 8, 1);
    CHECK_FALSE(thread_layout("vax"));
}

TEMPLATE_TEST_CASE("stacks of every architecture work as those of x86-64", "", EVERY_KIND) {
    for (const ThreadLayout& known : thread_layouts) {
        for (const bool kasan : {false, true}) {
            StackConfig config = plain_config();
            config.architecture = known.architecture;
            config.kasan = kasan;
            config.reserve = most_stack_pages;
            constexpr bool mapped = TestType::caches && !std::same_as<TestType, DynamicMachine>;
            if (mapped && !known.mapped) {
                CHECK_THROWS_WITH(TestType{config}, Catch::Contains("has no mapped stacks"));
                continue;
            }
            TestType m{config};
            KernelStack& stack = *m.stacks.create(1, cpu0);
            KernelStack& other = *m.stacks.create(2, cpu0);
            CHECK(m.stacks.use(stack, m.stacks.layout().size - 8, cpu0) == StackUse{});
            CHECK(m.stacks.use(other, 100, cpu0) == StackUse{});
            CHECK(violation(m.stacks) == "");
            CHECK(stack.base.value() % m.stacks.layout().align == 0);
        }
    }
}

TEST_CASE("an architecture that nobody knows is refused") {
    StackConfig config;
    config.architecture = "vax";
    CHECK_THROWS_WITH(config.layout(), Catch::Contains("there are: x86-64, arm64"));
    const auto tunables = config.tunables();
    CHECK_FALSE(tunables[0].set("pdp11"));
    CHECK(tunables[0].set("arm64"));
    CHECK(config.layout().align == 32 << 10);
}

#include "allocators/contract/stack_models.hpp"
#include "bench/experiments/experiments.hpp"
#include "bench/stacks/depths.hpp"

namespace kmemlab::experiments {

Outcome kstack_usage(const Options& options) {
    Outcome outcome{
        "A machine that ran until 11825 threads had exited, with the histogram of used kernel stack in\n"
        "/proc/vmstat: kstack_1k 3, kstack_2k 188, kstack_4k 11391, kstack_8k 243, kstack_16k 0. So 243 "
        "threads\n"
        "needed more than one page, of four that each had.",
        "A new stack is zero. At exit the words above the end magic are searched for the first that is not:\n"
        "what lies below it was never used (CONFIG_DEBUG_STACK_USAGE, VM-74). Here as many tasks use stacks\n"
        "from vmalloc as deep as the histogram says, one after the other, and each depth is found again by "
        "that\n"
        "search, on stacks that were used before and cleared. A frame that leaves words zero at its deepest\n"
        "end is not seen, there and here."};
    const stacks::Depths depths =
        options.file.empty() ? stacks::Depths{} : stacks::Depths::read(options.file);
    VmappedStackModel model{
        {.machine = {.arena = std::size_t{64} << 20}, .buddy = {}, .parts = {}, .stacks = {.usage = true}}};
    auto& stacks = model.stacks();
    const std::size_t most = stacks.layout().size;
    StackHistogram dealt;
    std::uint64_t one_page = 0;
    for (std::uint64_t i = 0; i < depths.tasks(); ++i) {
        const CpuId cpu{static_cast<unsigned>(i % 2)};
        const std::size_t depth = std::min(depths.of_task(i), most - sizeof stack_end_magic);
        dealt.add(depth);
        one_page += depth <= page_size ? 1 : 0;
        KernelStack* const stack = stacks.create(i, cpu);
        if (stack == nullptr) throw UsageError("kstack-usage: no memory or mappings for a stack");
        static_cast<void>(stacks.use(*stack, depth, cpu));
        model.exit(*stack, cpu);
    }
    const StackStats seen = stacks.stats();
    for (std::size_t i = 0; i < StackHistogram::buckets && StackHistogram::bound(i) <= most; ++i) {
        outcome.expect_equal(fmt::format("kstack_{}k", StackHistogram::bound(i) >> 10), seen.depths.tasks[i],
                             dealt.tasks[i]);
    }
    outcome.note("threads that one page would do for",
                 fmt::format("{} of {} ({:.1f} %)", one_page, depths.tasks(),
                             100.0 * static_cast<double>(one_page) / static_cast<double>(depths.tasks())));
    outcome.note("the least that was left on a stack", fmt::format("{} bytes", seen.lowest_free_bytes));
    outcome.expect_equal("stacks made", seen.created - seen.reused, std::uint64_t{2});
    return outcome;
}

}  // namespace kmemlab::experiments

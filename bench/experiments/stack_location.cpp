#include <algorithm>
#include <array>

#include "allocators/contract/models.hpp"
#include "allocators/mmu/soft_mmu.hpp"
#include "allocators/vmalloc/vmalloc.hpp"
#include "bench/experiments/experiments.hpp"

namespace kmemlab::experiments {
namespace {

constexpr CpuId cpu{0};
constexpr Order stack_order{2};

struct Region {
    std::uint64_t begin;
    std::string_view name;
};
/// Linux 6.1, x86-64, four levels, without randomisation (Documentation/x86/x86_64/mm.rst).
constexpr std::uint64_t direct_map = 0xffff888000000000;
constexpr std::array memory_map{
    Region{0, "user"},
    Region{0x0000800000000000, "not canonical"},
    Region{0xffff800000000000, "hole"},
    Region{0xffff880000000000, "local descriptor table"},
    Region{direct_map, "direct map"},
    Region{0xffffc88000000000, "hole"},
    Region{0xffffc90000000000, "vmalloc"},
    Region{0xffffe90000000000, "hole"},
    Region{0xffffea0000000000, "page descriptors"},
};

std::string_view region_of(std::uint64_t address) {
    const auto* behind = std::upper_bound(memory_map.begin(), memory_map.end(), address,
                                          [](std::uint64_t a, const Region& r) { return a < r.begin; });
    return (behind - 1)->name;
}

void expect_place(Outcome& outcome, const std::string& kernel, std::uint64_t first, std::uint64_t second,
                  std::string_view region) {
    outcome.note(kernel + ": address", fmt::format("{:#x}", first));
    outcome.expect_equal(kernel + ": region", region_of(first), region);
    outcome.expect_equal(kernel + ": alignment kept", first % stack_order.bytes(), std::uint64_t{0});
    outcome.note(kernel + ": bytes to the next stack", fmt::format("{}", second - first));
}

}  // namespace

Outcome stack_location(const Options&) {
    Outcome outcome{
        "A module that prints the address of a local variable: 0xffff8880... up to Linux 4.8,\n"
        "0xffffc90... since 4.9. The first lies in the direct map, the second in the window of vmalloc.",
        "Until 4.8 a stack was a block of order 2: it must be contiguous, and beside it lies whatever else "
        "was\n"
        "allocated. Since 4.9 it is four single frames mapped by vmalloc with a guard page behind: an\n"
        "overflow faults at once, and no block of order 2 is needed. The price is an area of 20480 bytes\n"
        "aligned to 16384, hence 32 KiB from stack to stack, and a translation for each page (VM-70, 71)."};
    BuddyModel pages{{.machine = {.arena = std::size_t{64} << 20}, .buddy = {}}};
    SoftMmu mmu{pages.arena()};
    OwnedCpus cpus;
    MisuseLog log;
    Vmalloc<OwnedCpus, SoftMmu> vm{pages, mmu, cpus, {}, log};

    const Pfn below = *pages.take(stack_order, GFP_KERNEL, cpu);
    const Pfn above = *pages.take(stack_order, GFP_KERNEL, cpu);
    const auto [low, high] = std::minmax(below, above);
    const auto in_direct_map = [](Pfn pfn) { return direct_map + (pfn.value() << page_shift); };
    expect_place(outcome, "Linux 4.8", in_direct_map(low), in_direct_map(high), "direct map");
    outcome.expect("Linux 4.8: one byte below a stack",
                   high - low == stack_order.pages() ? "another stack" : "?", "another stack",
                   high - low == stack_order.pages());

    const auto stack = [&] {
        return *vm.vmalloc_range(stack_order.bytes(), stack_order.bytes(), GFP_KERNEL, false, cpu);
    };
    const VirtAddr first = stack();
    const VirtAddr second = stack();
    expect_place(outcome, "Linux 4.9", first.value(), second.value(), "vmalloc");
    const bool faults = !mmu.touch(second + ~std::uint64_t{0}, cpu);
    outcome.expect("Linux 4.9: one byte below a stack", faults ? "a page fault" : "mapped", "a page fault",
                   faults);
    return outcome;
}

}  // namespace kmemlab::experiments

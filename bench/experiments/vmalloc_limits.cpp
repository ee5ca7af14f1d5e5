#include <optional>

#include "allocators/contract/models.hpp"
#include "allocators/mmu/soft_mmu.hpp"
#include "allocators/vmalloc/vmalloc.hpp"
#include "bench/experiments/experiments.hpp"

namespace kmemlab::experiments {
namespace {

constexpr CpuId cpu{0};
constexpr std::size_t gib = std::size_t{1} << 30;

/// A page source that counts what is asked of another.
struct CountingPages {
    BuddyModel& pages;
    std::uint64_t asked = 0;

    [[nodiscard]] std::optional<Pfn> take(Order order, Gfp gfp, CpuId on) {
        ++asked;
        return pages.take(order, gfp, on);
    }
    void give(Pfn pfn, Order order, CpuId on) { pages.give(pfn, order, on); }
    [[nodiscard]] Arena& arena() { return pages.arena(); }
};

}  // namespace

Outcome vmalloc_limits(const Options&) {
    Outcome outcome{
        "A module that doubles the size it asks vmalloc for, on a machine of 8 GiB: 4 GiB is the last to\n"
        "succeed, 8 GiB fails with \"exceeds total pages\".",
        "vmalloc takes single frames, so no block need be large: the limit is the number of frames. A size\n"
        "beyond all of them is refused before anything is tried (VM-50). Of 8 GiB the firmware and the\n"
        "kernel's own image keep a part, so 8 GiB is more than all; 64 MiB are kept here. No byte of it is\n"
        "touched: frames and a page table of the software MMU are what 4 GiB cost us."};
    constexpr std::size_t total = 8 * gib - (std::size_t{64} << 20);
    BuddyModel buddy{{.machine = {.arena = total}, .buddy = {}}};
    CountingPages pages{buddy};
    SoftMmu mmu{buddy.arena()};
    OwnedCpus cpus;
    MisuseLog log;
    Vmalloc<OwnedCpus, SoftMmu> vm{pages, mmu, cpus, {}, log};

    std::size_t size = page_size;
    std::uint64_t asked_before = 0;
    for (; size <= 16 * gib; size *= 2) {
        asked_before = pages.asked;
        const std::optional<VirtAddr> at = vm.vmalloc(size, cpu);
        if (!at) break;
        vm.vfree(*at, cpu);
    }
    outcome.expect_equal("last size that succeeds", size / 2, 4 * gib, "bytes");
    outcome.expect_equal("the next fails", size, 8 * gib, "bytes");
    outcome.expect_equal("pages of the machine", buddy.arena().frames(), total >> page_shift);
    outcome.expect_equal("frames asked for before it is refused", pages.asked - asked_before,
                         std::uint64_t{0});
    return outcome;
}

}  // namespace kmemlab::experiments

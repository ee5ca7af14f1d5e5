#include <string>
#include <vector>

#include "allocators/contract/models.hpp"
#include "bench/experiments/experiments.hpp"

namespace kmemlab::experiments {
namespace {

constexpr CpuId cpu{0};
constexpr std::size_t gib = std::size_t{1} << 30;

/// The zone that a page of `gfp` comes from, by name; the page goes back.
std::string zone_of_request(BuddyModel& model, Gfp gfp) {
    const auto pfn = model.take(Order{0}, gfp, cpu);
    if (!pfn) return "none";
    model.give(*pfn, Order{0}, cpu);
    for (const auto& zone : model.buddy().zones()) {
        if (zone->contains(*pfn)) return std::string{to_string(zone->type())};
    }
    return "no zone";
}

/// Pages that requests of `gfp` get until there are none, by zone.
std::vector<std::uint64_t> exhaust(BuddyModel& model, Gfp gfp) {
    std::vector<std::uint64_t> pages(model.buddy().zones().size());
    while (const auto pfn = model.take(Order{0}, gfp | __GFP_NOWARN, cpu)) {
        for (std::size_t i = 0; i < pages.size(); ++i)
            pages[i] += model.buddy().zone(i).contains(*pfn) ? 1 : 0;
    }
    return pages;
}

void expect_x86_64(Outcome& outcome) {
    BuddyModel model{{.machine = {.arena = 8 * gib}, .buddy = {}}};
    outcome.expect_equal("64 bit: GFP_DMA", zone_of_request(model, GFP_DMA), std::string{"DMA"});
    outcome.expect_equal("64 bit: GFP_DMA32", zone_of_request(model, GFP_DMA32), std::string{"DMA32"});
    outcome.expect_equal("64 bit: GFP_KERNEL", zone_of_request(model, GFP_KERNEL), std::string{"Normal"});
    outcome.expect_equal("64 bit: GFP_HIGHUSER, no HighMem", zone_of_request(model, GFP_HIGHUSER),
                         std::string{"Normal"});
}

void expect_32_bit(Outcome& outcome) {
    // DMA below 16 MiB, low memory below 896 MiB.
    BuddyModel model{{.machine = {.arena = gib}, .buddy = {.layout = "DMA:4096,Normal:225280,HighMem"}}};
    outcome.expect_equal("32 bit: GFP_HIGHUSER", zone_of_request(model, GFP_HIGHUSER),
                         std::string{"HighMem"});
    outcome.expect_equal("32 bit: GFP_KERNEL", zone_of_request(model, GFP_KERNEL), std::string{"Normal"});
    const auto pages = exhaust(model, GFP_KERNEL);
    outcome.expect("32 bit: all that GFP_KERNEL gets of Normal", fmt::format("{} pages", pages[1]),
                   "most of 225280", pages[1] > 220'000);
    outcome.expect("32 bit: then of DMA, whose reserve ends it", fmt::format("{} pages", pages[0]),
                   "some of 4096, not all", pages[0] > 0 && pages[0] < 4096);
    outcome.expect_equal("32 bit: of HighMem", pages[2], std::uint64_t{0}, "pages");
    outcome.expect_equal("32 bit: GFP_HIGHUSER then", zone_of_request(model, GFP_HIGHUSER),
                         std::string{"HighMem"});
    outcome.expect_equal("32 bit: GFP_KERNEL then", zone_of_request(model, GFP_KERNEL), std::string{"none"});
}

}  // namespace

Outcome zones(const Options&) {
    Outcome outcome{
        "DMA is the first 16 MiB, DMA32 ends at 4 GiB, NORMAL is the rest. With 32 bits NORMAL ends at 896 "
        "MiB\n"
        "and HIGHMEM begins, which the kernel cannot reach without kmap. A request names its highest zone "
        "and\n"
        "falls back to lower ones.",
        "A device may reach only low addresses, and a kernel of 32 bits maps only 896 MiB for good, so the\n"
        "flags of a request say how high its page may lie (BUDDY-2, 3). Falling back stops while a zone "
        "still\n"
        "has what lowmem_reserve keeps for those who can use no other (BUDDY-82). So a 32-bit kernel can "
        "run\n"
        "out of memory with HIGHMEM all free."};
    expect_x86_64(outcome);
    expect_32_bit(outcome);
    return outcome;
}

}  // namespace kmemlab::experiments

#include <cstring>
#include <string>

#include "allocators/contract/models.hpp"
#include "bench/experiments/experiments.hpp"

namespace kmemlab::experiments {

Outcome buddy_order3(const Options&) {
    Outcome outcome{
        "A module that takes a block of order 3 by __get_free_pages: eight pages that follow each other, "
        "all\n"
        "of which can be written and read at once.",
        "A block of order n is 2^n frames whose first number is a multiple of 2^n (BUDDY-1, B2). It lies in\n"
        "the direct map, where neighbours by frame are neighbours by address, so no mapping is made. The\n"
        "block is split off a larger one, whose other parts stay as free blocks, one of each order between."};
    constexpr Order order{3};
    constexpr CpuId cpu{0};
    BuddyModel model{{.machine = {.arena = std::size_t{64} << 20}, .buddy = {.pcp = false}}};
    const auto before = *model.free_blocks();
    auto* const block = static_cast<std::byte*>(model.buddy().__get_free_pages(GFP_KERNEL, order, cpu));
    const auto with_block = *model.free_blocks();

    for (std::size_t page = 0; page < order.pages(); ++page)
        std::memset(block + page * page_size, static_cast<int>('a' + page), page_size);
    std::size_t read_back = 0;
    for (std::size_t i = 0; i < order.bytes(); ++i)
        read_back += block[i] == static_cast<std::byte>('a' + i / page_size) ? 1 : 0;
    const Pfn first = model.arena().pfn(block);
    std::string split;
    for (unsigned o = order.value(); o < order_count; ++o)
        if (with_block[o] > before[o]) split += fmt::format("{}{}", split.empty() ? "" : " ", o);

    outcome.expect_equal("bytes read as they were written", read_back, order.bytes());
    outcome.expect("first frame", fmt::format("{}", first.value()), "a multiple of 8",
                   first.is_aligned(order));
    outcome.expect_equal("pages between first and last", model.arena().pfn(block + order.bytes() - 1) - first,
                         order.pages() - 1);
    outcome.expect_equal("orders of which a free block more is there", split, std::string{"3 4 5 6 7 8 9"});
    model.buddy().free_pages(block, order, cpu);
    outcome.expect_equal("after the free, free blocks are as before", *model.free_blocks() == before, true);
    return outcome;
}

}  // namespace kmemlab::experiments

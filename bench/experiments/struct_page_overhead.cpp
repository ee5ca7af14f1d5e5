#include "allocators/machine/arena.hpp"
#include "bench/experiments/experiments.hpp"

namespace kmemlab::experiments {

Outcome struct_page_overhead(const Options&) {
    Outcome outcome{
        "Linux keeps a descriptor of 64 bytes for each frame of 4096: 1.5 % of memory, which on a machine\n"
        "with 1 TiB is 16 GiB.",
        "The page allocator answers \"who has this frame?\" by looking at descriptor number pfn, so each\n"
        "frame has one, used or not. Ours hold what the models need in half the bytes\n"
        "(docs/page-descriptor.md): no mapping, no reverse map, no memory control group."};
    constexpr std::size_t linux_page = 64;
    const auto percent = [](std::size_t bytes, std::size_t of) {
        return 100 * static_cast<double>(bytes) / static_cast<double>(of);
    };
    const Arena arena;
    outcome.expect_equal("bytes of a descriptor", arena.metadata_bytes() / arena.frames(), linux_page / 2);
    outcome.expect_between("Linux, of memory", percent(linux_page, page_size), 1.5, 1.6, "%", 2);
    outcome.expect_between("ours, of memory", percent(arena.metadata_bytes(), arena.bytes()), 0.7, 0.8, "%",
                           2);
    outcome.note("ours, for this arena of 1 GiB", fmt::format("{} KiB", arena.metadata_bytes() >> 10));
    return outcome;
}

}  // namespace kmemlab::experiments

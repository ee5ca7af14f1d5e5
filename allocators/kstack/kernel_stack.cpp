#include "allocators/kstack/kernel_stack.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "allocators/kstack/kernel_stacks.hpp"

namespace kmemlab {
namespace {

constexpr std::size_t words_per_page = page_size / sizeof(std::uint64_t);

std::uint64_t* words_of(const KernelStack& stack, const Arena& arena, std::uint64_t page) {
    return reinterpret_cast<std::uint64_t*>(arena.address(stack.frames[page]));
}

}  // namespace

std::size_t used_depth(const KernelStack& stack, const Arena& arena, std::uint64_t pages) {
    for (std::uint64_t page = stack.first_mapped; page < pages; ++page) {
        const std::uint64_t* const words = words_of(stack, arena, page);
        const std::uint64_t* const begin = words + (page == 0 ? 1 : 0);
        const std::uint64_t* const end = words + words_per_page;
        const std::uint64_t* const found =
            std::find_if(begin, end, [](std::uint64_t word) { return word != 0; });
        if (found == end) continue;
        return ((pages - page) << page_shift) - static_cast<std::size_t>(found - words) * sizeof *words;
    }
    return 0;
}

void StackHistogram::add(std::size_t used_bytes) {
    std::size_t bucket = 0;
    while (bucket + 1 < buckets && used_bytes > bound(bucket)) ++bucket;
    ++tasks[bucket];
}

std::string kernel_stack_line(std::uint64_t kilobytes) {
    return fmt::format("{:<16}{:8} kB\n", "KernelStack:", kilobytes);
}

std::string histogram_lines(const StackHistogram& depths, std::size_t thread_size) {
    std::string text;
    for (std::size_t i = 0; i < StackHistogram::buckets && StackHistogram::bound(i) <= thread_size; ++i) {
        fmt::format_to(std::back_inserter(text), "kstack_{}k {}\n", StackHistogram::bound(i) >> 10,
                       depths.tasks[i]);
    }
    return text;
}

}  // namespace kmemlab

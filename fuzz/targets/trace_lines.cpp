#include "fuzz/targets/trace_lines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace kmemlab::fuzz {
namespace {

constexpr std::array<std::uint64_t, 22> edges{
    0,   1,   2,    3,    7,    8,     15,    16,         31,         63,          64,
    255, 256, 1000, 4096, 4097, 65535, 65536, 0x7fffffff, 0xffffffff, 0x100000000, ~std::uint64_t{0}};

std::uint64_t small_or_edge(Random& random) {
    return random.one_in(3) ? edges[random.below(edges.size())] : random.below(6);
}

/// A few, so that what one line allocates another frees.
std::string address(Random& random) {
    if (random.one_in(24)) return "(nil)";
    return fmt::format("0x{:x}", 0xffff888100000000 + 64 * random.below(12));
}

std::string gfp(Random& random) {
    constexpr std::array<std::string_view, 6> words{"GFP_KERNEL", "GFP_ATOMIC",       "GFP_KERNEL|__GFP_ZERO",
                                                    "0xcc0",      "0xcc0|__GFP_COMP", "GFP_HIGHUSER_MOVABLE"};
    return std::string{words[random.below(words.size())]};
}

std::string event(Random& random) {
    constexpr std::array<std::string_view, 4> caches{"dentry", "filp", "names_cache", "vm_area_struct"};
    const std::string_view name = caches[random.below(caches.size())];
    const std::uint64_t a = small_or_edge(random);
    const std::uint64_t b = small_or_edge(random);
    switch (random.below(10)) {
        case 0:
        case 1:
            return fmt::format(
                "kmalloc: call_site=f+0x1/0x2 ptr={} bytes_req={} bytes_alloc={} gfp_flags={} node=-1",
                address(random), 8 * a, 8 * a, gfp(random));
        case 2:
        case 3:
            return fmt::format("kfree: call_site=f+0x1/0x2 ptr={}", address(random));
        case 4:
            return fmt::format(
                "kmem_cache_alloc: call_site=f+0x1/0x2 ptr={} name={} bytes_req={} bytes_alloc={} "
                "gfp_flags={} node=-1 accounted=false",
                address(random), name, 192, 192, gfp(random));
        case 5:
            return fmt::format("kmem_cache_free: call_site=f+0x1/0x2 ptr={} name={}", address(random), name);
        case 6:
            return fmt::format("mm_page_alloc: page=0x{:x} pfn=0x{:x} order={} migratetype={} gfp_flags={}",
                               a, a, b, small_or_edge(random), gfp(random));
        case 7:
            return fmt::format("mm_page_free: page=0x{:x} pfn=0x{:x} order={}", a, a, b);
        case 8:
            return fmt::format(
                "alloc_vmap_area: va_start: 0x{:x} size={} align={} vstart=0x{:x} vend=0x{:x} failed={}",
                0xffffc90000000000 + 4096 * a, 4096 * b, 4096, 0xffffc90000000000, 0xffffe8ffffffffff,
                random.below(2));
        default:
            return fmt::format("free_vmap_area_noflush: va_start=0x{:x} nr_lazy={} nr_lazy_max={}",
                               0xffffc90000000000 + 4096 * a, b, small_or_edge(random));
    }
}

}  // namespace

std::string random_trace_line(Random& random) {
    const std::uint64_t cpu = random.one_in(8) ? small_or_edge(random) : random.below(3);
    return fmt::format("     task-{} [{:03}] ..... {}.{:06}: {}\n", random.below(40), cpu,
                       small_or_edge(random), random.below(1000000), event(random));
}

std::string mutate_trace(std::string text, Random& random) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
        lines.push_back(text.substr(0, end));
        text.erase(0, end);
    }
    for (std::uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
        const std::size_t at = random.below(lines.size() + 1);
        const auto where = lines.begin() + static_cast<std::ptrdiff_t>(at);
        if (at == lines.size() || random.one_in(2)) {
            lines.insert(where, random_trace_line(random));
        } else if (random.one_in(3)) {
            lines.erase(where);
        } else if (random.one_in(2)) {
            lines.insert(where, std::string{lines[random.below(lines.size())]});
        } else {
            std::swap(*where, lines[random.below(lines.size())]);
        }
    }
    for (const std::string& line : lines) text += line;
    return text;
}

}  // namespace kmemlab::fuzz

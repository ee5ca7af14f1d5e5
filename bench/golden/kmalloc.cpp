/// kmalloc files: which cache or how many pages serve each size, what ksize says, and the limits.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include "allocators/slab/slab.hpp"
#include "allocators/slob/slob.hpp"
#include "allocators/slub/slub.hpp"
#include "bench/golden/checks.hpp"
#include "bench/golden/numbered_pages.hpp"

namespace kmemlab::golden {
namespace {

constexpr CpuId cpu{0};

/// The KMALLOC_* constants, of which all others follow.
struct Limits {
    std::size_t smallest;
    std::size_t largest_cached;
};

/// The name of the cache that an address is from, in the words of the files.
template <class Allocator>
std::string origin(const Allocator&, const Arena& arena, const void* p) {
    const Page& head = arena.page_at(arena.page(arena.pfn(p)).head);
    const PageState state = head.load_state();
    if (state.kind != PageKind::slab) return fmt::format("pages-order{}", state.order);
    return static_cast<const typename Allocator::Cache*>(head.owner)->name;
}
std::string origin(const Slob<OwnedCpus>&, const Arena& arena, const void* p) {
    const PageState state = arena.page(arena.pfn(p)).load_state();
    return state.kind == PageKind::slab ? "slob" : fmt::format("pages-order{}", state.order);
}

Gfp gfp_of(std::string_view type) {
    if (type == "reclaimable") return GFP_KERNEL | __GFP_RECLAIMABLE;
    return type == "account" ? GFP_KERNEL_ACCOUNT : GFP_KERNEL;
}

/// The alignment of an address as far as the kernel's experiment looked.
std::size_t alignment_seen(const void* p, std::size_t size) {
    if (!std::has_single_bit(size)) return 0;
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    return std::min({size, page_size, std::size_t{address & -address}});
}

template <class Allocator>
std::string answer(Allocator& allocator, const Arena& arena, std::string_view type,
                   std::string_view request) {
    const auto size = static_cast<std::size_t>(parse_integer(request).value_or(0));
    void* const p = allocator.kmalloc(size, gfp_of(type), cpu);
    if (is_zero_or_null(p)) {
        const char* const result = p == nullptr ? "NULL" : "ZERO_SIZE_PTR(16)";
        return fmt::format("{},{},{},{},-,0", type, request, result, allocator.ksize(p));
    }
    std::string row = fmt::format("{},{},OK,{},{},{}", type, request, allocator.ksize(p),
                                  origin(allocator, arena, p), alignment_seen(p, size));
    allocator.kfree(p, cpu);
    return row;
}

void compare_limits(Comparison& comparison, const Limits& limits) {
    comparison.parameter("KMALLOC_MIN_SIZE", limits.smallest);
    comparison.parameter("KMALLOC_SHIFT_LOW", std::bit_width(limits.smallest) - 1);
    comparison.parameter("KMALLOC_SHIFT_HIGH", std::bit_width(limits.largest_cached) - 1);
    comparison.parameter("KMALLOC_SHIFT_MAX", std::bit_width(kmalloc_max_size) - 1);
    comparison.parameter("KMALLOC_MAX_CACHE_SIZE", limits.largest_cached);
    comparison.parameter("KMALLOC_MAX_SIZE", kmalloc_max_size);
    comparison.parameter("KMALLOC_MAX_ORDER", max_order.value());
    comparison.parameter("SLAB_OBJ_MIN_SIZE", std::min<std::size_t>(limits.smallest, 16));
    comparison.parameter("ZERO_SIZE_PTR", reinterpret_cast<std::uintptr_t>(zero_size_ptr()));
}

template <class Allocator, class... Config>
void compare(Comparison& comparison, const Limits& limits, const Config&... config) {
    OwnedCpus cpus{1};
    NumberedPages<OwnedCpus> pages{cpus};
    MisuseLog misuse;
    Allocator allocator{pages, cpus, config..., misuse};
    compare_limits(comparison, limits);
    void* const largest = allocator.kmalloc(kmalloc_max_size, GFP_KERNEL, cpu);
    comparison.parameter("largest_kmalloc", allocator.ksize(largest));
    allocator.kfree(largest, cpu);
    void* const zero = allocator.kmalloc(0, GFP_KERNEL, cpu);
    comparison.parameter("kmalloc(0)", reinterpret_cast<std::uintptr_t>(zero));
    comparison.parameter("ksize", allocator.ksize(zero));
    comparison.pass_header("type");
    while (!comparison.at_end()) {
        const auto row = comparison.next_row();
        comparison.row(answer(allocator, pages.arena(), row[0], row[1]));
    }
    comparison.lawful(allocator.find_violation());
}

}  // namespace

void check_kmalloc(Comparison& comparison) {
    comparison.set_forms({"normal,0,*,0,*,0", "reclaimable,0,*,0,*,0", "account,0,*,0,*,0"});
    const GoldenFile& file = comparison.file();
    const std::string_view allocator = file.parameter("allocator");
    if (allocator == "slub") {
        compare<Slub<OwnedCpus>>(comparison, {kmalloc_class_sizes.front(), kmalloc_max_cache_size},
                                 SlubConfig{});
    } else if (allocator == "slab") {
        compare<Slab<OwnedCpus>>(comparison, {min_slab_kmalloc, kmalloc_max_cache_size}, SlabConfig{});
    } else if (allocator == "slob") {
        compare<Slob<OwnedCpus>>(comparison, {min_object_align, page_size}, SlobConfig{});
    } else {
        throw file.bad(file.line_of_parameter("allocator"), "allocator={}: expected slub, slab or slob",
                       allocator);
    }
}

}  // namespace kmemlab::golden

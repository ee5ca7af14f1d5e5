#include <catch2/catch.hpp>

#include "allocators/slub/geometry.hpp"
#include "allocators/slub/slub.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

/// The columns of a geometry file that are counted, in their order.
std::string row_of(const GeometryRequest& request, const Geometry& g, bool per_cpu_lists) {
    const bool hwcache = has(request.flags, CacheFlags::hwcache_align);
    std::string row = fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{}", request.size, request.align,
                                  hwcache ? 1 : 0, g.size, g.object_size, g.align, g.order.value(), g.objects,
                                  g.min_order.value(), g.min_objects, g.inuse, g.free_offset, g.min_partial);
    if (!per_cpu_lists) return row + ",none";
    return row + fmt::format(",{},{}", g.cpu_partial, cpu_partial_slabs(g.cpu_partial, g.objects));
}

void compare_geometry(const std::string& name, const GeometryRules& rules) {
    const std::string text = read_golden(name);
    std::size_t rows = 0;
    for (const std::string_view line : lines_of(text)) {
        if (line.starts_with('#') || line.starts_with("size,")) continue;
        const auto fields = fields_of(line);
        GeometryRequest request{static_cast<std::size_t>(number(fields[0])),
                                static_cast<std::size_t>(number(fields[1]))};
        if (fields[2] == "1") request.flags = CacheFlags::hwcache_align;
        const auto geometry = slub_geometry(request, rules);
        REQUIRE(geometry);
        if (row_of(request, *geometry, rules.cpus > 1) != line) {
            FAIL_CHECK(name << "\nexpected " << line << "\n   found "
                            << row_of(request, *geometry, rules.cpus > 1));
            return;
        }
        ++rows;
    }
    CHECK(rows > 1000);
}

}  // namespace

TEST_CASE("geometry is that of Linux 6.1 for every size, alignment and number of CPUs observed") {
    compare_geometry("linux-6.1-slub/geometry.csv.zst", {.cpus = 1});
    for (const unsigned least : {12U, 16U, 20U}) {
        compare_geometry(fmt::format("linux-6.1-slub/geometry-minobj{}.csv.zst", least),
                         {.cpus = 1, .min_objects = least});
    }
    compare_geometry("linux-6.1-smp-slub/geometry-4.csv.zst", {.cpus = 4});
    compare_geometry("linux-6.1-smp-slub/geometry-8.csv.zst", {.cpus = 8});
}

TEST_CASE("debugging lays objects out as Linux 6.1 did") {
    for (const char* name :
         {"byte50-FZPU", "byte50-kunit", "rz_alloc-kunit", "next_ptr-kunit", "kmalloc_rz-FZPU"}) {
        const std::string text = read_golden(fmt::format("linux-6.1-slub-debug/{}.csv", name));
        const auto row = fields_of(lines_of(text).back());
        const auto flags = std::stoul(std::string{row[1]}, nullptr, 16);
        GeometryRequest request{static_cast<std::size_t>(number(row[3]))};
        if ((flags & 0x100) != 0) request.flags = request.flags | CacheFlags::consistency_checks;
        if ((flags & 0x400) != 0) request.flags = request.flags | CacheFlags::red_zone;
        if ((flags & 0x800) != 0) request.flags = request.flags | CacheFlags::poison;
        if ((flags & 0x10000) != 0) request.flags = request.flags | CacheFlags::store_user;
        request.kmalloc = row[0] == "kmalloc-32";
        if (request.kmalloc) request.align = 32;
        const auto g = slub_geometry(request, {.cpus = 1});
        REQUIRE(g);
        INFO(name);
        CHECK(fmt::format("{},{},{},{},{},{},{}", g->size, g->object_size, g->inuse, g->free_offset,
                          g->left_pad, g->order.value(), g->objects) ==
              fmt::format("{},{},{},{},{},{},{}", row[2], row[3], row[4], row[5], row[6], row[7], row[8]));
    }
}

TEST_CASE("a cache that no slab can hold has no geometry") {
    CHECK_FALSE(slub_geometry({.size = 0}, {}));
    CHECK_FALSE(slub_geometry({.size = kmalloc_max_size + 1}, {}));
    CHECK(slub_geometry({.size = kmalloc_max_size}, {})->objects == 1);
}

TEST_CASE("kmalloc serves each size from the cache that Linux 6.1 took") {
    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{1};
    MisuseLog log;
    Slub<OwnedCpus> slub{pages, cpus, {}, log};
    const std::string text = read_golden("linux-6.1-slub/kmalloc.csv.zst");
    std::size_t rows = 0;
    for (const std::string_view line : lines_of(text)) {
        if (line.starts_with('#') || line.starts_with("type,")) continue;
        const auto row = fields_of(line);
        const Gfp gfp = row[0] == "reclaimable" ? GFP_KERNEL | __GFP_RECLAIMABLE
                        : row[0] == "account"   ? GFP_KERNEL_ACCOUNT
                                                : GFP_KERNEL;
        const auto size = static_cast<std::size_t>(std::stoull(std::string{row[1]}));
        void* const p = slub.kmalloc(size, gfp, CpuId{0});
        std::string from = "-";
        if (p != nullptr && !is_zero_or_null(p)) {
            const Page& head = arena.page_at(arena.page(arena.pfn(p)).head);
            const PageState state = head.load_state();
            from = state.kind == PageKind::slab ? static_cast<Slub<OwnedCpus>::Cache*>(head.owner)->name
                                                : fmt::format("pages-order{}", state.order);
        }
        INFO(line);
        REQUIRE(slub.ksize(p) == static_cast<std::size_t>(number(row[3])));
        REQUIRE(from == row[4]);
        if (std::has_single_bit(size)) CHECK(reinterpret_cast<std::uintptr_t>(p) % size == 0);
        slub.kfree(p, CpuId{0});
        ++rows;
    }
    CHECK(rows > 100);
}

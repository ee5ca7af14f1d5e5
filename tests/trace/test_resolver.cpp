/// From events to operations on numbered objects; what does not match is counted.
#include "tests/trace/trace_support.hpp"

using namespace kmemlab;
using namespace kmemlab::trace;

namespace {

std::vector<Kind> kinds_of(const Trace& trace) {
    std::vector<Kind> kinds;
    for (const Operation& operation : trace.operations) kinds.push_back(operation.kind());
    return kinds;
}

constexpr auto objects = static_cast<unsigned>(Layer::objects);
constexpr auto pages = static_cast<unsigned>(Layer::pages);
constexpr auto areas = static_cast<unsigned>(Layer::areas);

}  // namespace

TEST_CASE("an allocation and its free share an object number") {
    const Trace trace = read_text(kmalloc_line("aaaa", 100, 0, 10) + kfree_line("aaaa", 3, 25));
    REQUIRE(kinds_of(trace) == std::vector{Kind::kmalloc, Kind::kfree});
    const Operation& allocation = trace.operations[0];
    const Operation& free = trace.operations[1];
    CHECK(allocation.object() == 0);
    CHECK(allocation.bytes() == 100);
    CHECK(allocation.gfp() == GFP_KERNEL);
    CHECK(trace.call_sites[allocation.call_site()] == "f+0x1/0x2");
    CHECK(free.object() == 0);
    CHECK(free.bytes() == 100);
    CHECK(free.gfp() == Gfp{});
    CHECK(free.cpu() == CpuId{3});
    CHECK(trace.call_sites[free.call_site()] == "g+0x1/0x2");
    CHECK(trace.times == std::vector<std::uint64_t>{0, 15'000});
    CHECK(trace.cpus == 4);
    CHECK(trace.slots(Layer::objects) == 1);
    CHECK(trace.counts.never_freed[objects] == 0);
}

TEST_CASE("a freed number goes to the next allocation, the last freed first") {
    const Trace trace =
        read_text(kmalloc_line("a1") + kmalloc_line("a2") + kmalloc_line("a3") + kfree_line("a1") +
                  kfree_line("a3") + kmalloc_line("a4") + kmalloc_line("a5") + kmalloc_line("a6"));
    CHECK(trace.operations[5].object() == 2);
    CHECK(trace.operations[6].object() == 0);
    CHECK(trace.operations[7].object() == 3);
    CHECK(trace.slots(Layer::objects) == 4);
    CHECK(trace.counts.never_freed[objects] == 4);
}

TEST_CASE("layers number their objects separately") {
    const Trace trace = read_text(kmalloc_line("aaaa") + page_alloc_line("0x20", 3) +
                                  event_line("alloc_vmap_area: va_start: 18446683600627662848 size=20480 "
                                             "align=16384 vstart=0x1 vend=0x2 failed=0"));
    for (const Operation& operation : trace.operations) CHECK(operation.object() == 0);
    CHECK(trace.operations[1].order() == Order{3});
    CHECK(trace.operations[1].migrate_type() == 1);
    CHECK(trace.operations[1].gfp() == (GFP_HIGHUSER_MOVABLE | __GFP_ZERO | __GFP_COMP));
    CHECK(trace.operations[2].pages() == 5);
    CHECK(trace.operations[2].align_order() == 2);
}

TEST_CASE("frees of what was allocated before the recording are counted and no operations") {
    const Trace trace =
        read_text(kfree_line("aaaa") + cache_free_line("bbbb", "filp") + page_free_line("0x10") +
                  event_line("free_vmap_area_noflush: va_start=0x1000 nr_lazy=1 nr_lazy_max=2"));
    CHECK(trace.operations.empty());
    CHECK(trace.counts.frees_without_allocation == TraceCounts::PerLayer{2, 1, 1});
}

TEST_CASE("an address that comes again without a free leaves the earlier object live to the end") {
    const Trace trace = read_text(kmalloc_line("aaaa", 10) + kmalloc_line("aaaa", 20) + kfree_line("aaaa"));
    CHECK(trace.operations[1].object() == 1);
    CHECK(trace.operations[2].object() == 1);
    CHECK(trace.operations[2].bytes() == 20);
    CHECK(trace.counts.addresses_reused_without_free[objects] == 1);
    CHECK(trace.counts.never_freed[objects] == 1);
    CHECK(trace.slots(Layer::objects) == 2);
}

TEST_CASE("kfree(NULL) and failed allocations are counted and no operations") {
    const Trace trace = read_text(
        kfree_line("0000000000000000") + kfree_line("(null)") + kmalloc_line("0000000000000000") +
        event_line(
            "mm_page_alloc: page=0000000000000000 pfn=0x0 order=10 migratetype=0 gfp_flags=GFP_KERNEL") +
        event_line("alloc_vmap_area: va_start: 0 size=4096 align=1 vstart=0x1 vend=0x2 failed=1"));
    CHECK(trace.operations.empty());
    CHECK(trace.counts.null_frees == 2);
    CHECK(trace.counts.failed_allocations == 3);
    CHECK(trace.counts.requested_bytes == 0);
    CHECK(trace.counts.kernel_events() == 5);
}

TEST_CASE("hidden addresses match nothing") {
    const Trace trace = read_text(kmalloc_line("(____ptrval____)") + kmalloc_line("(____ptrval____)") +
                                  kfree_line("(____ptrval____)"));
    CHECK(kinds_of(trace) == std::vector{Kind::kmalloc, Kind::kmalloc});
    CHECK(trace.counts.unknown_addresses == 3);
    CHECK(trace.counts.never_freed[objects] == 2);
    CHECK(trace.counts.frees_without_allocation[objects] == 1);
}

TEST_CASE("kfree of a cache's object is the free of that cache") {
    const Trace trace = read_text(cache_alloc_line("aaaa", "filp") + kfree_line("aaaa") +
                                  kmalloc_line("bbbb") + cache_free_line("bbbb", "kmalloc-128"));
    CHECK(kinds_of(trace) ==
          std::vector{Kind::kmem_cache_alloc, Kind::kmem_cache_free, Kind::kmalloc, Kind::kfree});
    CHECK(trace.counts.freed_by_other_call == 2);
}

TEST_CASE("one cache per name, with its largest object") {
    const Trace trace =
        read_text(cache_alloc_line("a1", "filp", 184) + cache_alloc_line("a2", "dentry", 192) +
                  cache_alloc_line("a3", "filp", 200) + cache_alloc_line("a4", "filp", 184));
    CHECK(trace.caches == std::vector<Cache>{{"filp", 200}, {"dentry", 192}});
    CHECK(trace.operations[2].cache() == 0);
    CHECK(trace.counts.cache_sizes_differ == 2);
}

TEST_CASE("without names, there is one cache per size") {
    const std::string event =
        "kmem_cache_alloc: call_site=f ptr={} bytes_req={} bytes_alloc=256 gfp_flags=GFP_KERNEL";
    const Trace trace = read_text(event_line(fmt::format(fmt::runtime(event), "a1", 232)) +
                                  event_line(fmt::format(fmt::runtime(event), "a2", 24)) +
                                  event_line(fmt::format(fmt::runtime(event), "a3", 232)) +
                                  cache_free_line("a3", "buffer_head"));
    CHECK(trace.caches == std::vector<Cache>{{"size-232", 232}, {"size-24", 24}});
    CHECK(trace.counts.freed_under_other_name == 0);
}

TEST_CASE("a free that names another cache than the allocation is counted") {
    const Trace trace = read_text(cache_alloc_line("a1", "filp") + cache_free_line("a1", "dentry"));
    CHECK(kinds_of(trace) == std::vector{Kind::kmem_cache_alloc, Kind::kmem_cache_free});
    CHECK(trace.counts.freed_under_other_name == 1);
}

TEST_CASE("mm_page_free_batched frees nothing, before or after its mm_page_free") {
    const std::string begin = page_alloc_line("0x10") + page_alloc_line("0x11");
    const std::string after =
        page_free_line("0x10") + page_free_line("0x11") + batched_line("0x10") + batched_line("0x11");
    const std::string before =
        batched_line("0x10") + batched_line("0x11") + page_free_line("0x10") + page_free_line("0x11");
    for (const std::string& text : {begin + after, begin + before}) {
        const Trace trace = read_text(text);
        CHECK(kinds_of(trace) ==
              std::vector{Kind::page_alloc, Kind::page_alloc, Kind::page_free, Kind::page_free});
        CHECK(trace.counts.batched_without_free == 0);
    }
}

TEST_CASE("mm_page_free_batched alone is counted and leaves the page live") {
    const Trace trace = read_text(page_alloc_line("0x10") + batched_line("0x10") + page_alloc_line("0x11") +
                                  page_free_line("0x11") + batched_line("0x11") + batched_line("0x11"));
    CHECK(trace.counts.batched_without_free == 2);
    CHECK(trace.counts.never_freed[pages] == 1);
}

TEST_CASE("a page that is allocated again pairs with no annotation of its earlier life") {
    const Trace trace = read_text(page_alloc_line("0x10") + page_free_line("0x10") + page_alloc_line("0x10") +
                                  batched_line("0x10"));
    CHECK(trace.counts.batched_without_free == 1);
}

TEST_CASE("a block freed with another order ends as a whole") {
    const Trace trace =
        read_text(page_alloc_line("0x10", 2) + page_free_line("0x10", 0) + page_free_line("0x11", 0));
    REQUIRE(kinds_of(trace) == std::vector{Kind::page_alloc, Kind::page_free});
    CHECK(trace.operations[1].order() == Order{2});
    CHECK(trace.counts.freed_with_other_order == 1);
    CHECK(trace.counts.frees_without_allocation[pages] == 1);
}

TEST_CASE("vmap areas are freed, and purged") {
    const Trace trace = read_text(
        event_line("alloc_vmap_area: va_start: 4096 size=8192 align=1 vstart=0x1 vend=0x2 failed=0") +
        event_line("free_vmap_area_noflush: va_start=0x1000 nr_lazy=2 nr_lazy_max=4") +
        event_line("purge_vmap_area_lazy: start=0x1000 end=0x3000 num_purged=1"));
    REQUIRE(kinds_of(trace) == std::vector{Kind::vmap_alloc, Kind::vmap_free, Kind::vmap_purge});
    CHECK(trace.operations[1].pages() == 2);
    CHECK(trace.operations[2].object() == Operation::no_object);
    CHECK(trace.operations[2].amount() == 1);
    CHECK(trace.counts.never_freed[areas] == 0);
}

TEST_CASE("times that go backwards are counted and taken as simultaneous") {
    const Trace trace =
        read_text(kmalloc_line("a1", 1, 0, 100) + kmalloc_line("a2", 1, 1, 300) +
                  kmalloc_line("a3", 1, 0, 200) + kmalloc_line("a4", 1, 0, 50) + kfree_line("a1", 0, 400));
    CHECK(trace.times == std::vector<std::uint64_t>{0, 200'000, 200'000, 200'000, 300'000});
    CHECK(trace.counts.times_backwards == 2);
}

TEST_CASE("other events, lost events and lines are counted") {
    const Trace trace =
        read_text("# tracer: nop\n" + event_line("sched_switch: a=b") + "CPU:1 [LOST 5 EVENTS]\n" +
                  kmalloc_line("aaaa", 100) + "CPU:1 [LOST EVENTS]\n");
    CHECK(trace.counts.lines == 5);
    CHECK(trace.counts.other_events == 1);
    CHECK(trace.counts.lost_events == 5);
    CHECK(trace.counts.lost_reports == 2);
    CHECK(trace.counts.requested_bytes == 100);
    CHECK(trace.counts.handed_out_bytes == 128);
}

TEST_CASE("text may come in pieces of any size") {
    const std::string text = kmalloc_line("aaaa") + kfree_line("aaaa") + cache_alloc_line("bbbb", "filp");
    const Trace whole = read_text(text);
    for (const std::size_t piece : {1U, 2U, 7U, 100U}) {
        TextReader reader{"T"};
        for (std::size_t at = 0; at < text.size(); at += piece)
            reader.feed(std::string_view{text}.substr(at, piece));
        const Trace pieced = reader.finish();
        CHECK(pieced.operations == whole.operations);
        CHECK(pieced.counts == whole.counts);
    }
}

TEST_CASE("pairs are found among frames far apart, in batches of any usual size") {
    std::string text = page_alloc_line("0x1");
    for (int i = 0; i < 3000; ++i) text += page_free_line(fmt::format("{:#x}", 0x10 + i * 65536));
    for (int i = 0; i < 3000; ++i) text += batched_line(fmt::format("{:#x}", 0x10 + i * 65536));
    CHECK(read_text(text).counts.batched_without_free == 0);
}

TEST_CASE("what waits for its other half does not grow without bound") {
    std::string text = page_alloc_line("0x1");
    for (int i = 0; i < 70000; ++i) text += page_free_line(fmt::format("{:#x}", 0x10 + i));
    text += batched_line("0x10");                              // forgotten: more than 65536 frees ago
    text += batched_line(fmt::format("{:#x}", 0x10 + 69999));  // remembered
    CHECK(read_text(text).counts.batched_without_free == 1);
}

/// One line of each program and each age of kernel, as they were printed.
#include "bench/trace/text.hpp"
#include "tests/trace/trace_support.hpp"

using namespace kmemlab;
using namespace kmemlab::trace;

namespace {

Record record_of(std::string_view line) {
    Record record;
    const ParsedLine parsed = parse_line(line, record);
    INFO(line << "\n" << parsed.error);
    REQUIRE(parsed.kind == LineKind::record);
    return record;
}

LineKind kind_of(std::string_view line) {
    Record record;
    return parse_line(line, record).kind;
}

std::uint64_t lost_in(std::string_view line) {
    Record record;
    const ParsedLine parsed = parse_line(line, record);
    REQUIRE(parsed.kind == LineKind::lost);
    return parsed.lost;
}

}  // namespace

TEST_CASE("a kmalloc of Linux 6.18 in ftrace is read whole") {
    const Record r = record_of(
        "            make-8739    [001] .....  1182.989294: kmalloc: call_site=alloc_bprm+0x45/0x220 "
        "ptr=000000005ec16831 bytes_req=408 bytes_alloc=512 gfp_flags=GFP_KERNEL|__GFP_ZERO node=-1 "
        "accounted=false");
    CHECK(r.event == Event::kmalloc);
    CHECK(r.cpu == 1);
    CHECK(r.time == 1'182'989'294'000);
    CHECK(r.call_site == "alloc_bprm+0x45/0x220");
    CHECK(r.address == 0x5ec16831);
    CHECK(r.bytes_req == 408);
    CHECK(r.bytes_alloc == 512);
    CHECK(r.gfp_flags == "GFP_KERNEL|__GFP_ZERO");
    CHECK(r.name.empty());
    CHECK_FALSE(r.failed);
}

TEST_CASE("a kmem_cache_alloc names its cache since Linux 6.1") {
    const Record r = record_of(
        "             g++-5058    [000] .....   485.870117: kmem_cache_alloc: "
        "call_site=alloc_empty_file+0x3c/0x110 ptr=000000001d8e5674 name=filp bytes_req=184 bytes_alloc=192 "
        "gfp_flags=GFP_KERNEL node=-1 accounted=true");
    CHECK(r.event == Event::kmem_cache_alloc);
    CHECK(r.name == "filp");
    CHECK(r.bytes_req == 184);
}

TEST_CASE("events of Linux 4.x: bare call sites, decimal pfn, no name, no node") {
    const Record object = record_of(
        "          <idle>-0     [000] d.s.  6263.123456: kmem_cache_alloc: call_site=ffffffff811b2c50 "
        "ptr=ffff88007a5c3000 bytes_req=232 bytes_alloc=232 gfp_flags=GFP_ATOMIC|__GFP_COLD");
    CHECK(object.address == 0xffff88007a5c3000);
    CHECK(object.call_site == "ffffffff811b2c50");
    CHECK(object.name.empty());
    const Record page = record_of(
        "           cat-2181  [003] ....  6263.123457: mm_page_alloc: page=ffffea0001e970c0 pfn=2007491 "
        "order=0 "
        "migratetype=2 gfp_flags=GFP_HIGHUSER_MOVABLE");
    CHECK(page.pfn == 2007491);
    CHECK(page.migrate_type == 2);
    const Record free = record_of(
        "           cat-2181  [003] ....  6263.123458: mm_page_free_batched: page=ffffea0001e970c0 "
        "pfn=2007491 "
        "order=0 cold=0");
    CHECK(free.event == Event::mm_page_free_batched);
    CHECK(free.pfn == 2007491);
}

TEST_CASE("the _node forms of before Linux 6.1 are allocations") {
    CHECK(record_of(
              "     Xorg-1 [002] .... 1.000000: kmalloc_node: call_site=f+0x1/0x2 ptr=00000000aa bytes_req=1 "
              "bytes_alloc=8 gfp_flags=GFP_KERNEL node=0")
              .event == Event::kmalloc_node);
    CHECK(record_of(
              "     Xorg-1 [002] .... 1.000000: kmem_cache_alloc_node: call_site=f+0x1/0x2 ptr=00000000aa "
              "bytes_req=1 bytes_alloc=8 gfp_flags=GFP_KERNEL node=0")
              .event == Event::kmem_cache_alloc_node);
}

TEST_CASE("vmalloc events mix colons, decimal and hexadecimal") {
    const Record area = record_of(
        "            make-8739    [001] .....  1182.990674: alloc_vmap_area: va_start: 18446683600627662848 "
        "size=20480 "
        "align=16384 vstart=0xffffc90000000000 vend=0xffffe8ffffffffff failed=0");
    CHECK(area.address == 18446683600627662848ULL);
    CHECK(area.bytes_req == 20480);
    CHECK(area.align == 16384);
    CHECK_FALSE(area.failed);
    const Record freed = record_of(
        "     kworker/1:2-81    [001] .....  1183.1: free_vmap_area_noflush: va_start=0xffffc90000a3c000 "
        "nr_lazy=5 "
        "nr_lazy_max=16384");
    CHECK(freed.address == 0xffffc90000a3c000);
    const Record purge = record_of(
        "     kworker/1:2-81    [001] .....  1183.2: purge_vmap_area_lazy: start=0xffffc90000a3c000 "
        "end=0xffffc90000a41000 num_purged=17");
    CHECK(purge.purged == 17);
    CHECK(record_of(
              "a-1 [000] ..... 1.2: alloc_vmap_area: va_start: 0, size=4096, align=1, vstart=0x0, vend=0x1, "
              "failed=1")
              .failed);
}

TEST_CASE("perf script: system before the event, nil pointers, addresses that are not hashed") {
    const Record r = record_of(
        "            bash 20266 [001]  2390.176378:                 kmem:kmem_cache_alloc: "
        "call_site=mas_preallocate+0x3ef ptr=0xffff8881121b9f00 name=maple_node bytes_req=256 "
        "bytes_alloc=256 "
        "gfp_flags=GFP_KERNEL node=-1 accounted=false");
    CHECK(r.event == Event::kmem_cache_alloc);
    CHECK(r.address == 0xffff8881121b9f00);
    CHECK(r.time == 2'390'176'378'000);
    CHECK(record_of("ls 20291 [001]  2392.387151:   kmem:kfree: call_site=perf_event_mmap+0x258 ptr=(nil)")
              .address_kind == Record::Address::null);
    // perf prints the pfn for the page, which it cannot compute.
    const Record page = record_of(
        "            bash 20266/20268 [001]  2390.176385:   kmem:mm_page_alloc: page=0x5 pfn=0x5 order=0 "
        "migratetype=0 gfp_flags=GFP_KERNEL_ACCOUNT|__GFP_ZERO|__GFP_COMP   ");
    CHECK(page.pfn == 5);
    CHECK_FALSE(page.failed);
}

TEST_CASE("perf script --ns prints nine digits") {
    CHECK(record_of("ls 20291 [001]  2392.387151434:   kmem:kfree: call_site=f+0x2 ptr=0xffff8881121b9f00")
              .time == 2'392'387'151'434);
}

TEST_CASE("trace-cmd report: no flags, call site in front, name of the buffer") {
    const Record r = record_of(
        "kmlab:             bash-20606 [001]  2424.091480: kmalloc:              (lsm_blob_alloc+0x3b) "
        "call_site=lsm_blob_alloc+0x3b ptr=0xffff888100873a30 bytes_req=11 bytes_alloc=16 "
        "gfp_flags=GFP_KERNEL_ACCOUNT|__GFP_ZERO node=-1 accounted=true");
    CHECK(r.call_site == "lsm_blob_alloc+0x3b");
    CHECK(r.bytes_req == 11);
    CHECK(record_of("     bash-20606 [001] d..2.  2424.091688: mm_page_free:         page=0x1bf794 "
                    "pfn=0x1bf794 order=0")
              .pfn == 0x1bf794);
}

TEST_CASE("trace-cmd report -R prints raw values in another order") {
    const Record r = record_of(
        "       clang++-14-20592 [000]  2424.091435: mm_page_alloc:         pfn=0x13e762 order=0 "
        "gfp_flags=0x140dca "
        "migratetype=1");
    CHECK(r.pfn == 0x13e762);
    CHECK(r.gfp_flags == "0x140dca");
    CHECK(record_of("a-1 [000]  1.0: mm_page_free_batched:  pfn=0x1bf794").pfn == 0x1bf794);
    CHECK(record_of(
              "a-1 [000]  1.0: mm_page_alloc: pfn=0xffffffffffffffff order=9 gfp_flags=0xcc0 migratetype=1")
              .failed);
}

TEST_CASE("names of tasks may hold blanks, brackets, colons and numbers") {
    for (const std::string_view comm :
         {"Web Content", "tokio [1] rt", "a: b", "kworker/u16:3+flush-8:0", "[007] 1.5:", "<...>", "x]"}) {
        const std::string line = fmt::format(
            "{:>16}-12345 (  12345) [002] d.h1.   12.345678: kfree: call_site=f+0x1/0x2 "
            "ptr=00000000deadbeef",
            comm);
        CHECK(record_of(line).cpu == 2);
    }
}

TEST_CASE("the module of a call site belongs to it") {
    const Record r = record_of(
        "a-1 [000] ..... 1.0: kmalloc: call_site=ext4_find_extent+0x1/0x2 [ext4] ptr=00000000aa bytes_req=1 "
        "bytes_alloc=8 gfp_flags=GFP_NOFS node=-1 accounted=false");
    CHECK(r.call_site == "ext4_find_extent+0x1/0x2 [ext4]");
}

TEST_CASE("addresses that are none: null, zeros, ZERO_SIZE_PTR, hidden") {
    const auto kind = [](std::string_view ptr) {
        return record_of(fmt::format("a-1 [000] ..... 1.0: kfree: call_site=f+0x1/0x2 ptr={}", ptr))
            .address_kind;
    };
    CHECK(kind("(null)") == Record::Address::null);
    CHECK(kind("0000000000000000") == Record::Address::null);
    CHECK(kind("0x10") == Record::Address::null);
    CHECK(kind("(____ptrval____)") == Record::Address::hidden);
    CHECK(kind("0000000000000011") == Record::Address::known);
}

TEST_CASE("a failed allocation has a null address") {
    CHECK(record_of(
              "a-1 [000] ..... 1.0: kmalloc: call_site=f+0x1/0x2 ptr=0000000000000000 bytes_req=8589934592 "
              "bytes_alloc=0 gfp_flags=GFP_KERNEL node=-1 accounted=false")
              .failed);
    CHECK(record_of("a-1 [000] ..... 1.0: mm_page_alloc: page=(null) pfn=0x0 order=10 migratetype=0 "
                    "gfp_flags=GFP_NOWAIT")
              .failed);
}

TEST_CASE("other events and the lines around events are told apart") {
    CHECK(kind_of("   bash-1 [001] d..2. 2.000001: sched_switch: prev_comm=bash ptr=zz ==> next_comm=x") ==
          LineKind::other_event);
    CHECK(kind_of("   bash-1 [001] ..... 2.000001: do_sys_open <-sys_open") == LineKind::other_event);
    CHECK(kind_of("   bash 1 [001] 2.000001: probe:kfree: (ffffffff8162e710)") == LineKind::other_event);
    CHECK(kind_of("   bash-1 [001] ..... 2.000001: <stack trace>") == LineKind::other_event);
    for (const std::string_view line :
         {"", "# tracer: nop", "#              | |         |   |||||", "##### CPU 1 buffer started ####",
          "cpus=2", "version = 6", "CPU 0 is empty", " => kmem_cache_alloc",
          "\tffffffff8162e91f kfree+0x20f ([kernel.kallsyms])",
          "        ffffffff8162e91f kfree+0x20f ([kernel.kallsyms])"})
        CHECK(kind_of(line) == LineKind::no_event);
}

TEST_CASE("lost events are counted as the kernel tells them") {
    CHECK(lost_in("CPU:1 [LOST 254 EVENTS]") == 254);
    CHECK(lost_in("CPU:1 [LOST EVENTS]") == 0);
    CHECK(lost_in("CPU:0 [12 EVENTS DROPPED]") == 12);
    CHECK(lost_in("CPU:0 [EVENTS DROPPED]") == 0);
    CHECK(lost_in("# entries-in-buffer/entries-written: 35811/40000   #P:2") == 4189);
    CHECK(kind_of("# entries-in-buffer/entries-written: 35811/35811   #P:2") == LineKind::no_event);
}

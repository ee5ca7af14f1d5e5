/// Files of timings: what is read of them, what is refused, and what ratios come out of rows made up here.
#include <catch2/catch.hpp>

#include "bench/peers/kernel_times.hpp"

using namespace kmemlab;
using namespace kmemlab::peers;
using Catch::Contains;
using golden::GoldenFile;

namespace {

const std::string columns = "group,test,size,n,free_order,reps,ns_median\n";
const std::string loop = "calib,empty_loop,0,0,-,30,0.5\n";

/// A file of that allocator with the lines `rows`.
KernelTimes times_of(const std::string& rows, const std::string& allocator = "slub") {
    return KernelTimes{GoldenFile{"t.csv", "# allocator=" + allocator + " PAGE_SIZE=4096\n" + rows}};
}

std::string refused(const std::string& rows, const std::string& allocator = "slub") {
    try {
        (void)times_of(rows, allocator);
        return "nothing refused";
    } catch (const UsageError& error) {
        return error.what();
    }
}

ContestRow measured(const std::string& name, double ns, Counts counts = {}) {
    ContestRow row;
    row.name = name;
    row.nanoseconds = row.cpu_nanoseconds = {ns, ns * 3, ns / 3};  // the median is ns
    row.counts = std::move(counts);
    return row;
}

}  // namespace

TEST_CASE("rows of timings become works with names of their own") {
    const KernelTimes times = times_of(columns + loop +
                                       "pair,kmem_cache_alloc_free,64,1,-,30,18.5\n"
                                       "batch,kmem_cache,32,16,random,30,20\n"
                                       "kmalloc,kmalloc_kfree_uniform_8_8192,0,256,window-fifo,30,40\n"
                                       "pages,alloc_pages_batch,3,128,lifo,30,37\n"
                                       "vmalloc,vmalloc_vfree_pair,4096,1,-,30,4000\n"
                                       "vmalloc,vmalloc_vfree_pair,8192,1,-,30,4000\n");
    CHECK(times.allocator() == "slub");
    REQUIRE(times.rows().size() == 5);
    CHECK(times.rows()[0].name == "kernel-calib-empty_loop/0/machine");
    CHECK(times.rows()[1].name == "kernel-pair-kmem_cache_alloc_free/64/slub");
    CHECK(times.rows()[1].ns == 18.5);
    const RecordedRow& batch = times.rows()[2];
    CHECK(batch.name == "kernel-batch-kmem_cache-16-random/32/slub");
    CHECK(batch.work == KernelWork::batch);
    CHECK(batch.size == 32);
    CHECK(batch.count == 16);
    CHECK(batch.sequence == Sequence::random);
    CHECK(times.rows()[3].name == "kernel-kmalloc-kmalloc_kfree_uniform_8_8192-256-window-fifo/0/slub");
    CHECK(times.rows()[4].name == "kernel-pages-alloc_pages_batch-128-lifo/3/buddy");
    CHECK(times.rows()[4].who == "buddy");
    CHECK(times.left_out() == std::vector<std::string>{"vmalloc-vmalloc_vfree_pair"});
}

TEST_CASE("columns may stand in any order, and be named again") {
    const KernelTimes times = times_of(
        "group,ns_median,n,size,free_order,test\n"
        "calib,0.5,0,0,-,empty_loop\n"
        "# more=1\n" +
        columns + "pair,kmalloc_var_kfree,64,1,-,30,22\n");
    REQUIRE(times.rows().size() == 2);
    CHECK(times.rows()[0].ns == 0.5);
    CHECK(times.rows()[1].ns == 22);
}

TEST_CASE("files that are no timings are refused by file, line and what was expected") {
    CHECK(refused(columns + loop, "slqb") == "t.csv:1: allocator=slqb: expected slub, slab or slob");
    CHECK(refused("group,test,size,n,free_order\n" + loop) == "t.csv:2: expected a column ns_median");
    CHECK(refused(loop) == "t.csv:2: expected a column group");
    CHECK_THAT(refused("# nothing=1\n"), Contains("t.csv: expected a line that names columns"));
    CHECK(refused(columns + "calib,empty_loop,0,0\n") ==
          "t.csv:3: 4 fields; expected 7, as there are columns");
    CHECK_THAT(refused(columns + "pair,kmalloc_var_kfree,64,1,-,30,22\n"),
               Contains("t.csv: expected rows of group calib"));
    CHECK_THAT(refused(columns + loop + loop), Contains("t.csv:4: the work of line 3 again"));
    for (const std::string ns : {"", "0", "-1", "nan", "inf", "5x", "fast"}) {
        CHECK(refused(columns + "calib,empty_loop,0,0,-,30," + ns + "\n") ==
              "t.csv:3: ns_median '" + ns + "': expected nanoseconds, more than 0");
    }
    const auto batch = [](const std::string& numbers) {
        return refused(columns + loop + "batch,kmem_cache," + numbers + ",30,20\n");
    };
    CHECK_THAT(batch("64,16,sideways"),
               Contains("t.csv:4: free_order 'sideways': expected lifo, fifo or random"));
    CHECK_THAT(batch("0,16,lifo"), Contains("t.csv:4: size 0: expected bytes"));
    CHECK_THAT(batch("many,16,lifo"), Contains("t.csv:4: 'many': expected a number up to 8192"));
    CHECK_THAT(batch("8193,16,lifo"), Contains("expected a number up to 8192"));
    CHECK_THAT(batch("64,0,lifo"), Contains("t.csv:4: n 0: expected a number of objects"));
    CHECK_THAT(batch("64,65537,lifo"), Contains("expected a number up to 65536"));
    CHECK_THAT(refused(columns + loop + "pages,alloc_pages_batch,11,16,lifo,30,20\n"),
               Contains("expected a number up to 10"));
    try {
        (void)KernelTimes{GoldenFile{"t.csv", columns + loop}};
        FAIL();
    } catch (const UsageError& error) {
        CHECK_THAT(error.what(), Contains("t.csv: expected a line beginning with # that has allocator="));
    }
}

#if defined(__x86_64__)

TEST_CASE("recorded times are scaled by the median over the calib rows") {
    const std::vector<KernelTimes> times{times_of(columns + loop +
                                                  "calib,lock_inc,0,0,-,30,6\n"
                                                  "calib,lfence_rdtsc_lfence,0,0,-,30,20\n"
                                                  "pair,kmem_cache_alloc_free,64,1,-,30,10\n"
                                                  "pair,kmem_cache_alloc_free,128,1,-,30,10\n"
                                                  "pair,kmem_cache_alloc_free,256,1,-,30,10\n"
                                                  "pages,pair_pcp_disabled,0,1,-,30,50\n")};
    const std::vector<ContestRow> rows{measured("kernel-calib-empty_loop/0/machine", 1),              // 2
                                       measured("kernel-calib-lock_inc/0/machine", 9),                // 1.5
                                       measured("kernel-calib-lfence_rdtsc_lfence/0/machine", 20),    // 1
                                       measured("kernel-pair-kmem_cache_alloc_free/64/slub", 15),     // 1
                                       measured("kernel-pair-kmem_cache_alloc_free/128/slub", 16.5),  // 1.1
                                       measured("kernel-pages-pair_pcp_disabled/0/buddy", 15),        // 0.2
                                       measured("pair/64/slub", 1)};
    const std::vector<KernelComparison> comparisons = compare(times, rows);
    REQUIRE(comparisons.size() == 2);
    const KernelComparison& slub = comparisons[0];
    CHECK(slub.who == "slub");
    CHECK(slub.scale == 1.5);
    CHECK(slub.calibrations == 3);
    REQUIRE(slub.rows.size() == 2);  // that of 256 bytes was not measured
    CHECK(slub.rows[0].scaled_ns == 15);
    CHECK(slub.rows[0].met());
    CHECK(slub.rows[1].ratio == Approx(1.1));
    CHECK_FALSE(slub.rows[1].met());
    CHECK(slub.met() == 1);
    CHECK(slub.median_ratio() == Approx(1.05));
    CHECK(slub.worst().name == "kernel-pair-kmem_cache_alloc_free/128/slub");
    CHECK(comparisons[1].who == "buddy");
    CHECK(comparisons[1].median_ratio() == Approx(0.2));

    const std::string text = to_text(comparisons);
    CHECK_THAT(text, Contains("1.00, at most 1.00 wanted: met\n") &&
                         Contains("1.10, at most 1.00 wanted: missed\n"));
    CHECK_THAT(text, Contains("slub: 1 of 2 rows at most 1.00; median 1.05; worst "
                              "kernel-pair-kmem_cache_alloc_free/128/slub 1.10\n"));
    const Json json = to_json(comparisons);
    CHECK(json.size() == 2);
    CHECK(json[0]["allocator"] == "slub");
    CHECK(json[0]["met"] == 1);
    CHECK(json[0]["worst"] == "kernel-pair-kmem_cache_alloc_free/128/slub");
    CHECK(json[0]["rows"][0]["scaled_ns"] == 15);
    CHECK(json[0]["rows"][1]["met"] == false);
}

#endif

TEST_CASE("pages are compared with the first file, and nothing without a calib row") {
    const std::string pages = "pages,alloc_pages_free_pages_pair,0,1,-,30,";
    const std::vector<KernelTimes> times{times_of(columns + loop + pages + "10\n", "slab"),
                                         times_of(columns + loop + pages + "20\n", "slob")};
    const ContestRow pair = measured("kernel-pages-alloc_pages_free_pages_pair/0/buddy", 5);
    const std::vector<KernelComparison> found =
        compare(times, {pair, measured("kernel-calib-empty_loop/0/machine", 0.5)});
    REQUIRE(found.size() == 1);
    CHECK(found[0].who == "buddy");
    CHECK(found[0].rows.at(0).recorded_ns == 10);
    CHECK(compare(times, {pair}).empty());
    CHECK(compare({}, {pair}).empty());
}

TEST_CASE("a kernel of the file's allocator that did the work in the same run needs no scale") {
    const std::string pairs =
        "pair,kmem_cache_alloc_free_none_held,64,1,-,30,100\npages,alloc_pages_free_pages_pair,0,1,-,30,"
        "100\n";
    const std::vector<KernelTimes> times{times_of(columns + loop + pairs, "slub"),
                                         times_of(columns + loop + pairs, "slab")};
    guests::Kernel mine;
    mine.name = "mine";
    mine.allocator = "slub";
    const std::string work = "kernel-pair-kmem_cache_alloc_free_none_held/64/";
    const std::string pages = "kernel-pages-alloc_pages_free_pages_pair/0/";
    ContestRow turns = measured(pages + "kernel:mine", 9);
    turns.cpu_nanoseconds = {12, 9, 4};  // beside 3, 9 and 1
    const std::vector<ContestRow> rows{measured(work + "slub", 6), measured(work + "slab", 6),
                                       measured(work + "kernel:mine", 5), measured(pages + "buddy", 3),
                                       turns};
    CHECK(compare(times, rows).empty());  // no calib rows
    const std::vector<KernelComparison> found = compare(times, rows, std::span{&mine, 1});
    REQUIRE(found.size() == 2);
    CHECK((found[0].who == "slub" && found[0].file == "kernel:mine" && found[0].calibrations == 0));
    REQUIRE(found[0].rows.size() == 1);
    CHECK(found[0].rows[0].ratio == Approx(1.2));
    CHECK(found[1].who == "buddy");
    CHECK(found[1].rows.at(0).ratio == Approx(0.25));
    CHECK_THAT(to_text(found), Contains("slub beside kernel:mine: in the same run\n") &&
                                   Contains("slub beside kernel:mine: 0 of 1 rows at most 1.00;") &&
                                   Contains("buddy beside kernel:mine: 1 of 1 rows"));
}

TEST_CASE("batches say by which paths they were served") {
    const std::vector<KernelTimes> times{times_of(columns + loop + "batch,kmem_cache,64,16,fifo,30,20\n")};
    const std::vector<KernelComparison> found =
        compare(times, {measured("kernel-calib-empty_loop/0/machine", 0.5),
                        measured("kernel-batch-kmem_cache-16-fifo/64/slub", 30,
                                 {{"allocations.fast", 10}, {"frees.fast", 1}, {"frees.slab", 3}})});
    CHECK_THAT(to_text(found),
               Contains("slub, batches freed fifo: median ratio 1.50; allocations 100.0 % fast; "
                        "frees 25.0 % fast, 75.0 % slab\n"));
    CHECK(to_json(found)[0]["rows"][0]["counts"]["frees.slab"] == 3);
}

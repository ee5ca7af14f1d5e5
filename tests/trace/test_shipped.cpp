/// The recordings in bench/traces: what the kernel printed is counted here by other means (zstdcat, grep).
#include "bench/trace/packed.hpp"
#include "tests/trace/trace_support.hpp"

using namespace kmemlab;
using namespace kmemlab::trace;

namespace {

std::uint64_t count_of(const Trace& trace, Event event) {
    return trace.counts.events[static_cast<unsigned>(event)];
}

struct Expected {
    const char* name;
    std::uint64_t lines, kmalloc, cache_alloc, kfree, cache_free, page_alloc, page_free, batched, areas;
};

}  // namespace

TEST_CASE("the shipped recordings are read to the last event") {
    const Expected expected =
        GENERATE(Expected{"compile", 113644, 268, 9884, 1057, 21971, 32213, 24344, 23895, 0},
                 Expected{"forkstorm", 248584, 4823, 79332, 35314, 60927, 29882, 21093, 16836, 365},
                 Expected{"make-j2", 35823, 292, 6361, 1629, 4752, 7841, 7646, 7285, 5},
                 Expected{"untar", 136800, 3961, 41691, 9993, 25387, 33060, 20448, 2247, 1});
    const Trace trace = read_trace(fmt::format("bench/traces/{}.trace.zst", expected.name));
    CHECK(trace.name == expected.name);
    CHECK(trace.cpus == 2);
    CHECK(trace.counts.lines == expected.lines);
    CHECK(count_of(trace, Event::kmalloc) == expected.kmalloc);
    CHECK(count_of(trace, Event::kmem_cache_alloc) == expected.cache_alloc);
    CHECK(count_of(trace, Event::kfree) == expected.kfree);
    CHECK(count_of(trace, Event::kmem_cache_free) == expected.cache_free);
    CHECK(count_of(trace, Event::mm_page_alloc) == expected.page_alloc);
    CHECK(count_of(trace, Event::mm_page_free) == expected.page_free);
    CHECK(count_of(trace, Event::mm_page_free_batched) == expected.batched);
    CHECK(count_of(trace, Event::alloc_vmap_area) == expected.areas);
    CHECK(trace.counts.other_events == 0);
    CHECK(trace.counts.gfp_names_unknown == 0);
    CHECK(trace.counts.freed_with_other_order == 0);
    CHECK(trace.counts.batched_without_free == 0);
}

TEST_CASE("every event of make-j2 is an operation or is counted as none") {
    const Trace trace = read_trace("bench/traces/make-j2.trace.zst");
    const TraceCounts& counts = trace.counts;
    std::uint64_t accounted = trace.operations.size() + counts.null_frees + counts.failed_allocations +
                              count_of(trace, Event::mm_page_free_batched);
    for (const std::uint64_t frees : counts.frees_without_allocation) accounted += frees;
    CHECK(accounted == counts.kernel_events());
    // Counted by a script of its own, with dictionaries by address.
    CHECK(counts.frees_without_allocation[1] == 42);
    CHECK(counts.addresses_reused_without_free[1] == 73);
}

TEST_CASE("a recording packed and unpacked passes every check of the packed form") {
    const Trace trace = read_trace("bench/traces/make-j2.trace.zst");
    const Trace again = unpack(pack(trace), "P");
    CHECK(again.operations == trace.operations);
    CHECK(again.counts == trace.counts);
}

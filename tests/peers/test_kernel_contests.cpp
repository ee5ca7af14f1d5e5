/// The works of recorded timings: that all shipped rows are done, do what they should, and count their paths.
#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <set>

#include "bench/peers/kernel_contests.hpp"

using namespace kmemlab;
using namespace kmemlab::peers;
using golden::GoldenFile;

namespace {

std::vector<KernelTimes> shipped() {
    std::vector<KernelTimes> times;
    for (const std::string allocator : {"slub", "slab", "slob"}) {
        times.emplace_back(GoldenFile::read("tests/golden/linux-6.1-timing/" + allocator + ".csv.zst"));
    }
    return times;
}

std::uint64_t sum(const Counts& counts, std::string_view kind) {
    std::uint64_t total = 0;
    for (const auto& [name, count] : counts) {
        if (name.starts_with(kind)) total += count;
    }
    return total;
}

}  // namespace

TEST_CASE("each row of the shipped timings has one contest, but those that cannot be done here") {
    const std::vector<KernelTimes> times = shipped();
    Contests contests;
    add_kernel_contests(contests, times);
    std::set<std::string> names;
    for (const auto& contest : contests) CHECK(names.insert(contest->name()).second);
    for (const KernelTimes& each : times) {
        for (const RecordedRow& row : each.rows()) CHECK(names.count(row.name) == 1);
    }
#if defined(__x86_64__)
    CHECK(times[0].left_out() == std::vector<std::string>{"calib-local_irq_save_restore",
                                                          "calib-this_cpu_cmpxchg_double",
                                                          "vmalloc-vmalloc_vfree_pair"});
#endif
}

TEST_CASE("every contest of timings verifies, and does its work again and again") {
    Contests contests;
    add_kernel_contests(contests, shipped());
    for (const auto& contest : contests) {
        CAPTURE(contest->name());
        CHECK(contest->verify().empty());
        for (int repetition = 0; repetition < 2; ++repetition) {
            contest->prepare(1);
            contest->run(1);
            contest->finish();
        }
    }
}

TEST_CASE("what kernels had in use when they were recorded can be put into the models") {
    const std::vector<std::string> files{"tests/golden/linux-6.1-slob/slabtrace-32.csv.zst",
                                         "tests/golden/linux-6.1-pages/buddytrace-all.csv.zst",
                                         "tests/golden/linux-6.1-pages/buddytrace-nopcp.csv.zst"};
    const KernelStates states = read_states(files);
    REQUIRE(states.pages);
    REQUIRE(states.pages_without_pcp);
    const auto& free_lists = states.pages->state.free_lists;
    CHECK(std::any_of(free_lists.begin(), free_lists.end(),
                      [](const FreeListEntry& block) { return block.order == Order{0}; }));

    // Sixteen objects that find room in pages which others use need no page; in an empty heap they do.
    const auto new_pages = [](const KernelStates& begin) {
        Contests contests;
        add_kernel_contests(contests, shipped(), begin);
        for (const auto& contest : contests) {
            if (contest->name() == "kernel-batch-kmem_cache-16-fifo/32/slob")
                return sum(contest->counts(), "allocations.new_slab");
        }
        FAIL("no such row");
        return std::uint64_t{0};
    };
    CHECK(new_pages({}) > 0);
    CHECK(new_pages(states) == 0);

    Contests contests;
    add_kernel_contests(contests, shipped(), states);
    for (const auto& contest : contests) {
        CAPTURE(contest->name());
        CHECK(contest->verify().empty());
        contest->prepare(1);
        contest->run(1);
        contest->finish();
    }
}

TEST_CASE("a batch larger than a slab is freed past the CPU's slab in SLUB, whatever the order") {
    Contests contests;
    add_kernel_contests(contests, shipped());
    for (const auto& contest : contests) {
        const std::string& name = contest->name();
        if (!name.starts_with("kernel-batch-") || !name.ends_with("/slub")) continue;
        CAPTURE(name);
        const Counts counts = contest->counts();
        CHECK(sum(counts, "allocations.") == 16384);
        CHECK(sum(counts, "frees.") == 16384);
        const std::uint64_t fast = sum(counts, "frees.fast");
        if (name.find("-16384-") != std::string::npos) CHECK(fast < 16384 / 100);
        if (name.find("_cache-16-") != std::string::npos && name.find("/64/") != std::string::npos)
            CHECK(fast == 16384);
    }
}

TEST_CASE("units of batches are whole batches, so that what is done is what is counted") {
    Contests contests;
    add_kernel_contests(contests, shipped());
    for (const auto& contest : contests) {
        if (contest->name() != "kernel-bulk-kmem_cache_bulk-250-same/64/slab") continue;
        CHECK(contest->units().least == 250);
        CHECK(contest->units().whole(251) == 500);
        CHECK(contest->units().whole(500) == 500);
    }
}

TEST_CASE("random orders and sizes are those of the recording") {
    CHECK(recorded_positions(Sequence::lifo, 3) == std::vector<std::uint32_t>{2, 1, 0});
    CHECK(recorded_positions(Sequence::fifo, 3) == std::vector<std::uint32_t>{0, 1, 2});
    std::vector<std::uint32_t> order = recorded_positions(Sequence::random, 1024);
    CHECK(order == recorded_positions(Sequence::random, 1024));
    CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
    std::sort(order.begin(), order.end());
    CHECK(order == recorded_positions(Sequence::fifo, 1024));

    const std::vector<std::uint32_t> uniform = recorded_sizes(KernelWork::uniform_kmallocs);
    const std::vector<std::uint32_t> loguniform = recorded_sizes(KernelWork::loguniform_kmallocs);
    for (const auto* sizes : {&uniform, &loguniform}) {
        CHECK(sizes->size() == 4096);
        const auto [least, most] = std::minmax_element(sizes->begin(), sizes->end());
        CHECK(*least >= 8);
        CHECK(*most <= 8192);
    }
    const auto mean = [](const std::vector<std::uint32_t>& sizes) {
        return std::accumulate(sizes.begin(), sizes.end(), 0.0) / static_cast<double>(sizes.size());
    };
    CHECK(mean(uniform) == Approx(4100).epsilon(0.05));
    CHECK(mean(loguniform) == Approx(1227).epsilon(0.1));  // 1.5 * (8 + .. + 4096) / 10
}

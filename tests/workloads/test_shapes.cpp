/// Each workload does what its source says: sizes, order, and who frees what others allocated.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "bench/workloads/fork_storm.hpp"
#include "tests/workloads/workload_support.hpp"

using namespace kmemlab;
using namespace kmemlab::workloads;
using trace::Operation;

namespace {

bool none_crosses(const std::vector<Life>& lives) {
    return std::none_of(lives.begin(), lives.end(), [](const Life& life) { return life.crosses(); });
}

bool all_cross(const std::vector<Life>& lives) {
    return std::all_of(lives.begin(), lives.end(), [](const Life& life) { return life.crosses(); });
}

double share(std::size_t part, std::size_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
}

template <class Predicate>
double share_of(const std::vector<Life>& lives, Predicate predicate) {
    return share(static_cast<std::size_t>(std::count_if(lives.begin(), lives.end(), predicate)),
                 lives.size());
}

double crossing_share(const std::vector<Life>& lives) {
    return share_of(lives, [](const Life& life) { return life.crosses(); });
}

/// Of one CPU, in the order of their ends.
std::vector<Life> born_on(unsigned cpu, std::vector<Life> lives) {
    std::erase_if(lives, [&](const Life& life) { return life.allocation.cpu() != CpuId{cpu}; });
    return lives;
}

/// True if what was allocated first is freed first.
bool is_fifo(const std::vector<Life>& lives) {
    return std::is_sorted(lives.begin(), lives.end(),
                          [](const Life& a, const Life& b) { return a.born < b.born; });
}

/// What lives after each operation.
std::vector<std::size_t> live_counts(const trace::Trace& trace) {
    std::vector<std::size_t> counts;
    std::size_t live = 0;
    for (const Operation& op : trace.operations) {
        live += trace::is_allocation(op.kind()) ? 1 : static_cast<std::size_t>(-1);
        counts.push_back(live);
    }
    return counts;
}

/// Lengths of runs of allocations, and of the runs of frees behind them.
std::vector<std::pair<std::size_t, std::size_t>> bursts(const trace::Trace& trace) {
    std::vector<std::pair<std::size_t, std::size_t>> runs;
    bool frees = true;
    for (const Operation& op : trace.operations) {
        if (trace::is_allocation(op.kind())) {
            if (frees) runs.emplace_back();
            ++runs.back().first;
        } else {
            ++runs.back().second;
        }
        frees = !trace::is_allocation(op.kind());
    }
    return runs;
}

std::map<std::uint32_t, std::size_t> kmalloc_sizes(const trace::Trace& trace) {
    std::map<std::uint32_t, std::size_t> sizes;
    for (const Operation& op : trace.operations) {
        if (op.kind() == trace::Kind::kmalloc) ++sizes[op.amount()];
    }
    return sizes;
}

}  // namespace

TEST_CASE("llfree-bulk fills and empties, first in first out, on each CPU by itself") {
    const trace::Trace trace = made("llfree-bulk,ops=40000,blocks=4000,order=3");
    const auto lives = lives_of(trace);
    CHECK(none_crosses(lives));
    CHECK(lives.front().allocation.order() == Order{3});
    for (unsigned cpu = 0; cpu < 4; ++cpu) CHECK(is_fifo(born_on(cpu, lives)));
    const auto live = live_counts(trace);
    CHECK(live[3999] == 4000);
    CHECK(live[7999] == 0);
    CHECK(live[11'999] == 4000);
}

TEST_CASE("llfree-repeat holds one block a thread") {
    const auto live = live_counts(made("llfree-repeat,ops=10000,threads=3"));
    CHECK(*std::max_element(live.begin(), live.end()) == 3);
    CHECK(*std::min_element(live.begin() + 3, live.end() - 3) == 2);
}

TEST_CASE("llfree-random exchanges its share at random, and llfree-frag thins memory before") {
    for (const auto& [text, least, most] : {std::tuple{"llfree-random,percent=20", 3200, 4000},
                                            std::tuple{"llfree-frag,keep=30,percent=25", 900, 1200}}) {
        const trace::Trace trace = made(std::string{text} + ",ops=60000,blocks=4000");
        CAPTURE(text);
        const auto live = live_counts(trace);
        CHECK(live[3999] == 4000);
        const auto steady = live.begin() + 8000;
        CHECK(*std::min_element(steady, steady + 40'000) == static_cast<std::size_t>(least));
        CHECK(*std::max_element(steady, steady + 40'000) == static_cast<std::size_t>(most));
        const auto lives = lives_of(trace);
        CHECK(none_crosses(lives));
        // Of neighbours in time, as many are in one order as in the other.
        std::size_t ascending = 0;
        for (std::size_t i = 1000; i < 9000; ++i) ascending += lives[i].born > lives[i - 1].born ? 1 : 0;
        CHECK(share(ascending, 8000) == Approx(0.5).margin(0.05));
    }
}

TEST_CASE("slab-fastpath frees at once what it allocates") {
    for (const Life& life : lives_of(made("slab-fastpath,ops=2000,threads=2"))) {
        REQUIRE(life.died == life.born + 1);
        REQUIRE_FALSE(life.crosses());
    }
}

TEST_CASE("slab-pattern doubles its size with each wave and frees in the order asked for") {
    const auto lives = lives_of(made("slab-pattern,ops=24000,objects=1000,min=8,max=100"));
    CHECK(is_fifo(lives));
    for (std::size_t i = 0; i < 10'000; ++i) {
        REQUIRE(lives[i].allocation.bytes() == (8U << (i / 1000 % 4)));
    }
    const auto newest_first = lives_of(made("slab-pattern,ops=4000,objects=1000,frees=lifo"));
    for (std::size_t i = 0; i < 1000; ++i) REQUIRE(newest_first[i].born + newest_first[i].died == 1999);
}

TEST_CASE("slab-bulk goes through the sizes of a bulk") {
    const auto runs = bursts(made("slab-bulk,ops=200000,rounds=10"));
    const std::vector<std::size_t> sizes{1, 2, 3, 4, 8, 16, 30, 32, 34, 48, 64, 128, 158, 250};
    REQUIRE(runs.size() > 280);
    for (std::size_t i = 0; i < 280; ++i) {
        CHECK(runs[i].first == sizes[i / 10 % sizes.size()]);
        CHECK(runs[i].second == runs[i].first);
    }
}

TEST_CASE("larson replaces at random, sizes are even, and arrays go to the next thread") {
    const trace::Trace trace = made("larson,ops=200000,objects=500,rounds=1000");
    const auto live = live_counts(trace);
    CHECK(live[1999] == 2000);
    CHECK(*std::min_element(live.begin() + 2000, live.begin() + 190'000) == 1999);
    double sum = 0;
    for (const auto& [size, count] : kmalloc_sizes(trace)) {
        REQUIRE((size >= 8 && size <= 1000));
        sum += static_cast<double>(size) * static_cast<double>(count);
    }
    CHECK(sum / 100'000 == Approx(504).epsilon(0.02));
    std::size_t crossing = 0;
    for (const Life& life : lives_of(trace)) {
        if (life.died >= trace.operations.size() - 2000) break;  // the end frees at home
        // A turn of each to fill its array, with 2000 objects; then 999 rounds of two operations.
        if (life.died < 2000 + 999 * 8) REQUIRE_FALSE(life.crosses());
        if (life.died < 2000 + 1999 * 8 && life.crosses()) {
            REQUIRE(life.free.cpu() == CpuId{(life.allocation.cpu().value() + 1) % 4});
        }
        crossing += life.crosses() ? 1 : 0;
    }
    // In 1000 rounds of 500 objects, 1 - e^-2 of those that came with the array are freed.
    CHECK(share(crossing, 94'000) == Approx(0.5 * (1 - 0.135)).epsilon(0.1));
}

TEST_CASE("cache-scratch: thread 0 allocates what the others free once") {
    const auto lives = lives_of(made("cache-scratch,ops=80000,threads=8,pairs=10"));
    for (const Life& life : lives) {
        if (life.crosses()) REQUIRE(life.allocation.cpu() == CpuId{0});
    }
    // A round: 8 objects given, 7 of them to others; 8 x 10 pairs.
    CHECK(crossing_share(lives) == Approx(7.0 / 88).epsilon(0.02));
}

TEST_CASE("cache-thrash frees where it allocates, with all threads' objects alive at once") {
    const trace::Trace trace = made("cache-thrash,ops=8000,threads=8");
    CHECK(none_crosses(lives_of(trace)));
    for (const auto& [allocations, frees] : bursts(trace)) {
        REQUIRE(allocations == 8);
        REQUIRE(frees == 8);
    }
}

TEST_CASE("threadtest allocates each thread's share before it frees any, all by itself") {
    const trace::Trace trace = made("threadtest,ops=60000,threads=6,objects=6000");
    CHECK(none_crosses(lives_of(trace)));
    CHECK(live_counts(trace)[5999] == 6000);
    CHECK(kmalloc_sizes(trace) == std::map<std::uint32_t, std::size_t>{{8, 30'000}});
}

TEST_CASE("xmalloc: even CPUs only allocate, odd ones only free, first in first out") {
    for (const char* text : {"xmalloc,ops=50000", "xmalloc,ops=50000,threads=5,depth=3"}) {
        const trace::Trace trace = made(text);
        for (const Operation& op : trace.operations) {
            REQUIRE(trace::is_allocation(op.kind()) == (op.cpu().value() % 2 == 0));
        }
        CHECK(all_cross(lives_of(trace)));
        CHECK(is_fifo(lives_of(trace)));
    }
    const auto live = live_counts(made("xmalloc,ops=50000,threads=3,batch=10,depth=7"));
    CHECK(*std::max_element(live.begin(), live.end()) == 70);
}

TEST_CASE("messages are freed by whom they reach last") {
    const auto middle = [](std::vector<Life> lives) {
        lives.resize(lives.size() - 100);  // the end frees at home
        return lives;
    };
    CHECK(all_cross(middle(lives_of(made("messages,ops=20000,hops=1")))));
    // From the first reader it comes back to its writer in one of three cases.
    CHECK(crossing_share(middle(lives_of(made("messages,ops=200000,hops=2")))) ==
          Approx(2.0 / 3).epsilon(0.02));
    CHECK(none_crosses(middle(lives_of(made("messages,ops=20000,threads=2,hops=2")))));
}

TEST_CASE("mstress: sizes halve in number, threads have unequal work, and objects change hands") {
    const trace::Trace trace = made("mstress,ops=200000");
    const auto sizes = kmalloc_sizes(trace);
    const auto lives = lives_of(trace);
    for (std::uint32_t size = 8; size <= 64; size *= 2) {
        CHECK(share(sizes.at(size), lives.size()) == Approx(4.0 / size).epsilon(0.02));
    }
    CHECK(sizes.rbegin()->first == 4096);
    std::array<std::size_t, 4> work{};
    for (const Life& life : lives) ++work[life.allocation.cpu().value()];
    for (std::size_t i = 1; i < 4; ++i)
        CHECK(share(work[i], work[0]) == Approx(1.0 / double(i + 1)).epsilon(0.03));
    CHECK(crossing_share(lives) > 0.05);
    CHECK(none_crosses(lives_of(made("mstress,ops=19000,exchange=0,phase=100000"))));
    CHECK_FALSE(none_crosses(lives_of(made("mstress,ops=50000,exchange=0,phase=5000"))));
}

TEST_CASE("sh6 frees the younger half newest first, the older half oldest first") {
    const trace::Trace trace = made("sh6,ops=200000,objects=100,max=1023");
    const auto lives = lives_of(trace);
    for (std::size_t i = 0; i < 100; ++i) CHECK(lives[i].born == (i < 50 ? 99 - i : i - 50));
    // As many from 8 to 15 bytes as from 512 to 1023.
    std::map<unsigned, std::size_t> by_power;
    for (const Life& life : lives) ++by_power[static_cast<unsigned>(std::bit_width(life.allocation.bytes()))];
    CHECK(by_power.size() == 7);
    for (const auto& [power, count] : by_power)
        CHECK(share(count, lives.size()) == Approx(1.0 / 7).epsilon(0.02));
}

TEST_CASE("sh8: the next thread frees every other object") {
    const auto lives = lives_of(made("sh8,ops=200000,threads=3"));
    CHECK(crossing_share(lives) == Approx(0.5).epsilon(0.02));
    for (const Life& life : lives) {
        if (life.crosses()) REQUIRE(life.free.cpu() == CpuId{(life.allocation.cpu().value() + 1) % 3});
    }
}

TEST_CASE("hackbench: a message is a head and its data, and another CPU frees both, in order") {
    const trace::Trace trace = made("hackbench,ops=100000,threads=6,backlog=50");
    const auto lives = lives_of(trace);
    CHECK(all_cross(lives));
    CHECK(kmalloc_sizes(trace) == std::map<std::uint32_t, std::size_t>{{448, lives.size() / 2}});
    REQUIRE(trace.caches == std::vector<trace::Cache>{{"skbuff_head_cache", 232}});
    std::map<CpuId, std::size_t> last;
    for (std::size_t i = 0; i < lives.size(); i += 2) {
        REQUIRE(lives[i].born == lives[i + 1].born + 1);
        REQUIRE(lives[i].free.cpu() == lives[i + 1].free.cpu());
        std::size_t& before = last[lives[i].free.cpu()];
        REQUIRE(lives[i].born > before);
        before = lives[i].born;
    }
    const auto live = live_counts(trace);
    CHECK(*std::max_element(live.begin(), live.end()) <= 6 * 50 * 2);
}

TEST_CASE("network: packets have the sizes of the IMIX, and CPUs as steered") {
    const trace::Trace trace = made("network,ops=400000");
    const auto lives = lives_of(trace);
    const auto sizes = kmalloc_sizes(trace);
    const std::size_t packets = lives.size() / 2;
    // 64 bytes of headroom, up to a line, and 320 behind.
    CHECK(share(sizes.at(128 + 320), packets) == Approx(7.0 / 12).epsilon(0.02));
    CHECK(share(sizes.at(640 + 320), packets) == Approx(4.0 / 12).epsilon(0.02));
    CHECK(share(sizes.at(1600 + 320), packets) == Approx(1.0 / 12).epsilon(0.02));
    CHECK(sizes.size() == 3);
    // Neither sent on nor steered, and drawn for one of the three other CPUs.
    CHECK(crossing_share(lives) == Approx(0.7 * 0.5 * 0.75).epsilon(0.02));
    CHECK(none_crosses(lives_of(made("network,ops=20000,steered=100"))));
    CHECK(none_crosses(lives_of(made("network,ops=20000,forwarded=100"))));
}

TEST_CASE("fork-storm: a child's parts are those that the recording shows of its children") {
    const trace::Trace recording = trace::read_trace("bench/traces/forkstorm.trace.zst");
    std::map<std::pair<std::string, std::uint32_t>, double> recorded;
    double kernel_pages = 0;
    double user_pages = 0;
    for (const Operation& op : recording.operations) {
        if (op.kind() == trace::Kind::kmalloc) ++recorded[{"", op.amount()}];
        if (op.kind() == trace::Kind::kmem_cache_alloc) {
            const trace::Cache& cache = recording.caches[op.cache()];
            ++recorded[{cache.name, cache.object_size}];
        }
        if (op.kind() == trace::Kind::page_alloc) ++(op.migrate_type() == 1 ? user_pages : kernel_pages);
    }
    const double children = recorded.at({"task_struct", 5952});
    for (const ChildPart& part : child_objects) {
        CAPTURE(part.cache, part.bytes);
        CHECK(recorded.at({std::string{part.cache}, part.bytes}) / children ==
              Approx(part.count).margin(0.5));
    }
    CHECK(kernel_pages / children == Approx(child_kernel_pages).margin(0.5));
    CHECK(user_pages / children == Approx(child_user_pages).margin(0.5));
}

TEST_CASE("fork-storm: parents free what was a child's task, children free their memory") {
    const trace::Trace trace = made("fork-storm,ops=300000,children=10");
    std::map<std::string, std::vector<Life>> by_cache;
    std::size_t tasks = 0;
    std::size_t most = 0;
    for (const Operation& op : trace.operations) {
        const bool of_task = trace::layer_of(op.kind()) == trace::Layer::areas;
        if (of_task) tasks += trace::is_allocation(op.kind()) ? 1 : static_cast<std::size_t>(-1);
        most = std::max(most, tasks);
    }
    CHECK(most == 10);
    for (const Life& life : lives_of(trace)) {
        if (life.allocation.kind() == trace::Kind::kmem_cache_alloc)
            by_cache[trace.caches[life.allocation.cache()].name].push_back(life);
    }
    CHECK(none_crosses(by_cache.at("task_struct")));
    CHECK(none_crosses(by_cache.at("names_cache")));
    // The fork's half is freed by the exec, wherever it runs; the exec's half by the exit, there too.
    CHECK(crossing_share(by_cache.at("maple_node")) == Approx(0.5 * 0.75).epsilon(0.05));
    CHECK(share(by_cache.at("vm_area_struct").size(), by_cache.at("task_struct").size()) ==
          Approx(71).epsilon(0.02));
}

TEST_CASE("long-run: sizes, caches, orders and lifetimes are those of the recording") {
    for (const char* name : {"forkstorm", "compile"}) {
        const std::string file = fmt::format("bench/traces/{}.trace.zst", name);
        const trace::Trace recording = trace::read_trace(file);
        const trace::Trace trace = made("long-run,ops=1000000,from=" + file);
        CAPTURE(file);
        CHECK(trace.caches == recording.caches);
        using Key = std::pair<trace::Kind, std::uint32_t>;
        std::map<Key, std::array<std::size_t, 2>> counts;
        std::array<std::size_t, 2> all{};
        for (std::size_t i = 0; const auto* each : {&recording, &trace}) {
            for (const Operation& op : each->operations) {
                if (!trace::is_allocation(op.kind())) continue;
                ++counts[{op.kind(), op.amount()}][i];
                ++all[i];
            }
            ++i;
        }
        for (const auto& [key, count] : counts) {
            CAPTURE(key.first, key.second);
            CHECK(share(count[0], all[0]) == Approx(share(count[1], all[1])).margin(0.02));
        }
    }
}

TEST_CASE(
    "long-run: what is freed lives as long as recorded, what is not as its like or longer than was "
    "recorded") {
    // Two caches in turn: each object of the first lives 8 allocations, of the second every fourth one is
    // freed after 39, the others never.
    trace::Trace recording;
    recording.call_sites = {""};
    recording.caches = {{"short", 64}, {"long", 128}};
    recording.cpus = 1;
    constexpr std::uint32_t pairs = 100;
    for (std::uint32_t i = 0; i < pairs; ++i) {
        const auto add = [&](trace::Kind kind, std::uint32_t object, std::uint32_t cache) {
            const bool allocates = trace::is_allocation(kind);
            recording.operations.emplace_back(kind, object, cache, allocates ? GFP_KERNEL : Gfp{}, CpuId{0},
                                              std::uint16_t{0});
        };
        if (i >= 4) add(trace::Kind::kmem_cache_free, 2 * (i - 4), 0);
        if (i >= 20 && i % 4 == 0) add(trace::Kind::kmem_cache_free, 2 * (i - 20) + 1, 1);
        add(trace::Kind::kmem_cache_alloc, 2 * i, 0);
        add(trace::Kind::kmem_cache_alloc, 2 * i + 1, 1);
    }
    recording.times.resize(recording.operations.size());
    recording.slots_per_layer[0] = 2 * pairs;
    const auto file = std::filesystem::temp_directory_path() / "kmemlab-test-workloads.kmt";
    trace::write_packed(recording, file.string());
    const trace::Trace trace = made("long-run,ops=100000,from=" + file.string());
    std::filesystem::remove(file);

    // Ages are counted in allocations.
    std::vector<std::uint64_t> allocations{0};
    for (const Operation& op : trace.operations) {
        allocations.push_back(allocations.back() + (trace::is_allocation(op.kind()) ? 1 : 0));
    }
    std::size_t to_end = 0;
    std::size_t usual = 0;
    std::size_t unusual = 0;
    std::map<std::uint64_t, std::size_t> ages;
    for (const Life& life : lives_of(trace)) {
        const std::uint64_t age = allocations[life.died] - allocations[life.born];
        if (life.died >= trace.operations.size() - 500) continue;  // the end frees what is not due
        if (life.allocation.cache() == 0) {
            // Those that the end of the recording cuts off live as the others, but for one that has
            // lived as long as any.
            REQUIRE((age == 8 || age >= 2 * pairs));
            ++(age == 8 ? usual : unusual);
        } else {
            ++ages[age];
            to_end += age == 39 ? 0 : 1;
        }
    }
    CHECK(ages.begin()->first == 39);
    // Nothing that outlives the recording lives less than it or twice as long.
    for (const auto& [age, count] : ages) CHECK((age == 39 || (age >= 2 * pairs && age < 4 * pairs)));
    CHECK(to_end > 1000);
    CHECK(share(unusual, usual + unusual) == Approx(0.01).margin(0.003));
}

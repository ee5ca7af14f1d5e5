#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <vector>

#include "allocators/slab/slab.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
using Machine = Slab<OwnedCpus>;

std::uint64_t draw(std::uint64_t& x) {
    return x ^= x << 13, x ^= x >> 7, x ^= x << 17;
}

/// The kernel's experiment: `load` objects, of which all but `keep` are freed at random.
struct Experiment {
    explicit Experiment(const std::string& text)
        : x{std::stoull(parameter(text, "seed"), nullptr, 16)},
          cache{*slab.kmem_cache_create({.name = "reaped", .size = value(text, "size")})} {
        const std::size_t load = value(text, "load");
        const std::size_t keep = text.find(" keep=0\n") == std::string::npos ? load / 8 : 0;
        for (std::size_t i = 0; i < load; ++i) {
            live.push_back(slab.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
        }
        while (live.size() > keep) {
            void*& victim = live[draw(x) % live.size()];
            std::swap(victim, live.back());
            slab.kmem_cache_free(cache, live.back(), cpu);
            live.pop_back();
        }
    }
    static std::size_t value(const std::string& text, std::string_view key) {
        return static_cast<std::size_t>(number(parameter(text, key)));
    }
    /// The columns of the state, behind those that name the row.
    [[nodiscard]] std::string state() const {
        const ArrayCache& array = cache.arrays[cpu];
        const SlabNode& node = cache.node;
        const std::string shared = node.shared.limit == 0 ? "-1" : fmt::to_string(node.shared.avail);
        return fmt::format("{},{},{},{},{},{},{}", array.avail, array.touched ? 1 : 0,
                           node.free_touched ? 1 : 0, shared, node.free_objects.load(), node.total_slabs,
                           node.free_slabs);
    }
    [[nodiscard]] std::string violation() const {
        const auto found = slab.find_violation();
        return found ? found->message() : "";
    }

    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{1};
    MisuseLog log;
    Machine slab{pages, cpus, {}, log};
    std::uint64_t x;
    Machine::Cache& cache;
    std::vector<void*> live;
};

std::vector<std::string_view> rows_of(std::string_view text) {
    std::vector<std::string_view> rows;
    for (const std::string_view line : lines_of(text)) {
        const bool names = line.starts_with("call,") || line.starts_with("sample,");
        if (!line.starts_with('#') && !names) rows.push_back(line);
    }
    return rows;
}

/// The rows that our reaper gives.
std::vector<std::string> reap_rows(const std::string& text) {
    Experiment e{text};
    constexpr Jiffies every = 2 * jiffies_per_second;
    std::vector<std::string> rows;
    const std::size_t calls = Experiment::value(text, "ncalls");
    for (std::size_t call = 0; call < calls; ++call) {
        const std::uint64_t r = draw(e.x);
        const bool due = (r >> 8 & 1) != 0;
        const auto add = [&](std::string_view when) {
            rows.push_back(fmt::format("{},{},{},{}", call, when, due ? 1 : 0, e.state()));
        };
        if ((r & 3) == 0) {
            e.slab.kmem_cache_free(e.cache, e.slab.kmem_cache_alloc(e.cache, GFP_KERNEL, cpu), cpu);
            add("pair");
        }
        const Jiffies now = (call + 1) * every;
        e.cache.node.next_reap = due ? now : now + 100 * jiffies_per_second;
        add("before");
        e.slab.reap(now, cpu);
        add("after");
    }
    CHECK(e.violation() == "");
    return rows;
}

}  // namespace

TEST_CASE("the reaper takes back what Linux 6.1 took, call by call") {
    for (const char* name : {"linux-6.1-slab/reap-256.csv.zst", "linux-6.1-slab/reap0-256.csv.zst",
                             "linux-6.1-slab/reap-64.csv.zst", "linux-6.1-slab/reap0-64.csv.zst",
                             "linux-6.1-slab/reap-1000.csv.zst", "linux-6.1-slab/reap0-1000.csv.zst"}) {
        const std::string text = read_golden(name);
        const auto expected = rows_of(text);
        const auto found = reap_rows(text);
        INFO(name);
        REQUIRE(expected.size() > 80);
        REQUIRE(found.size() == expected.size());
        for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i] == expected[i]);
    }
}

TEST_CASE("left alone, a cache shrinks at the pace that Linux 6.1 showed") {
    const std::string text = read_golden("linux-6.1-slab/reapsleep-256.csv.zst");
    const auto expected = rows_of(text);
    REQUIRE(expected.size() > 20);
    // When the first round came is the machine's; that they come every two seconds is not.
    std::size_t most = 0;
    for (Jiffies first = 1; first <= 2 * jiffies_per_second; ++first) {
        Experiment e{text};
        Jiffies next = first;
        std::size_t equal = 0;
        for (const std::string_view row : expected) {
            const auto fields = fields_of(row);
            const auto since = static_cast<Jiffies>(number(fields[2]));
            for (; next <= since; next += 2 * jiffies_per_second) e.slab.reap(next, cpu);
            if (row != fmt::format("{},{},{},{}", fields[0], fields[1], fields[2], e.state())) break;
            ++equal;
        }
        most = std::max(most, equal);
    }
    CHECK(most == expected.size());
}

TEST_CASE("the clock runs every CPU's reaper: first after a second, then every two") {
    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{2};
    MisuseLog log;
    Machine slab{pages, cpus, {}, log};
    auto& cache = *slab.kmem_cache_create({.name = "timed", .size = 512});
    std::vector<void*> objects(30);
    for (const CpuId c : {CpuId{0}, CpuId{1}}) {
        REQUIRE(slab.kmem_cache_alloc_bulk(cache, GFP_KERNEL, objects, c) == objects.size());
        slab.kmem_cache_free_bulk(cache, objects, c);
    }
    const std::uint32_t held = cache.arrays[CpuId{0}].avail;
    REQUIRE(held >= 30);
    REQUIRE(cache.arrays[CpuId{1}].avail == held);
    slab.advance_clock(99);
    CHECK(cache.arrays[CpuId{0}].touched);
    slab.advance_clock(1);
    CHECK_FALSE(cache.arrays[CpuId{0}].touched);
    CHECK(cache.arrays[CpuId{1}].touched);
    slab.advance_clock(3);
    CHECK_FALSE(cache.arrays[CpuId{1}].touched);
    CHECK(cache.arrays[CpuId{0}].avail == held);
    slab.advance_clock(197);
    CHECK(slab.now() == 300);
    CHECK(cache.arrays[CpuId{0}].avail == held - (54 + 4) / 5);
    CHECK(cache.arrays[CpuId{1}].avail == held);
    slab.advance_clock(120 * jiffies_per_second);
    CHECK(cache.arrays[CpuId{0}].avail == 0);
    CHECK(cache.arrays[CpuId{1}].avail == 0);
    CHECK(pages.held_pages() == 0);
    CHECK(slab.find_violation() == std::nullopt);
}

TEST_CASE("the node's reaper empties the shared array and spares free slabs in use") {
    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{2};
    MisuseLog log;
    Machine slab{pages, cpus, {}, log};
    auto& cache = *slab.kmem_cache_create({.name = "shared", .size = 512});
    std::vector<void*> objects(108);
    REQUIRE(slab.kmem_cache_alloc_bulk(cache, GFP_KERNEL, objects, cpu) == objects.size());
    slab.kmem_cache_free_bulk(cache, objects, cpu);
    const std::uint32_t before = cache.node.shared.avail;
    REQUIRE(before > 44);
    cache.node.shared.touched = true;
    cache.node.free_touched = true;
    cache.node.next_reap = 500;
    slab.reap(499, CpuId{1});
    CHECK(cache.node.shared.touched);
    slab.reap(500, CpuId{1});
    CHECK_FALSE(cache.node.shared.touched);
    CHECK_FALSE(cache.node.free_touched);
    CHECK(cache.node.next_reap == 500 + 4 * jiffies_per_second);
    CHECK(cache.node.shared.avail == before);
    slab.reap(900, CpuId{1});
    CHECK(cache.node.shared.avail == before - (216 + 4) / 5);
    CHECK(slab.find_violation() == std::nullopt);
}

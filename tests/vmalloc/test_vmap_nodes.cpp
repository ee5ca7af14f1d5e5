// Vmap nodes: where areas lie, what the pools keep, and how rarely the free areas of all CPUs are asked.
#include <catch2/catch.hpp>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "allocators/vmalloc/inside.hpp"

using namespace kmemlab;

namespace {

constexpr std::uint64_t page = page_size;
constexpr AddressRange window{VirtAddr{0xffffc90000000000}, VirtAddr{0xffffe8ffffffffff}};

void no_tlb(std::uint64_t, std::uint64_t, CpuId) {}

template <class Cpus = OwnedCpus>
struct Fixture {
    explicit Fixture(unsigned cpu_count = 4, std::uint64_t lazy_max = 1000, unsigned nodes = most_vmap_nodes)
        : cpus{cpu_count}, space{cpus, lazy_max, no_tlb, nodes} {}

    Cpus cpus;
    VmapSpace<Cpus> space;

    VmapArea* alloc(std::uint64_t pages, unsigned cpu = 0, std::uint64_t align = page) {
        return space.alloc(pages * page, align, window, CpuId{cpu});
    }
    /// Frees on CPU 0 and purges if that is due.
    void free(VmapArea* area, unsigned cpu = 0) {
        if (space.free_lazily(area, CpuId{cpu})) space.purge(CpuId{cpu});
    }
    /// As many areas, purged into the pool of the CPU's node.
    void fill_pool(unsigned cpu, unsigned count, std::uint64_t pages) {
        std::vector<VmapArea*> areas;
        for (unsigned i = 0; i < count; ++i) areas.push_back(alloc(pages, cpu));
        for (VmapArea* area : areas) (void)space.free_lazily(area, CpuId{cpu});
        space.purge(CpuId{cpu});
    }
    std::string violation() const {
        const auto found = space.find_violation();
        return found ? found->message() : "";
    }
    std::string law() const {
        const auto found = space.find_violation();
        return found ? std::string{found->law} : "";
    }
};

}  // namespace

TEST_CASE("there is a node for each CPU, at most 128, and only one for Linux 6.1") {
    CHECK(Fixture<>{4}.space.nodes() == 4);
    CHECK(Fixture<>{200}.space.nodes() == 128);
    CHECK(Fixture<>{4, 1000, 1}.space.nodes() == 1);
}

TEST_CASE("busy areas lie in the nodes of their addresses, in turn every 16 pages") {
    Fixture<> f;
    std::vector<VmapArea*> areas;
    for (int i = 0; i < 8; ++i) areas.push_back(f.alloc(16));
    for (unsigned node = 0; node < 4; ++node) CHECK(f.space.busy(node).count() == 2);
    CHECK(f.violation() == "");
    for (VmapArea* area : areas) CHECK(f.space.find_busy(area->start, CpuId{0}) == area);
}

TEST_CASE("an area that reaches over many nodes is found by every address in it, and by no other") {
    Fixture<> f;
    VmapArea* const below = f.alloc(3);
    VmapArea* const area = f.alloc(100);
    for (std::uint64_t at = area->start; at < area->end; at += page) {
        CHECK(f.space.find_busy(at + 5, CpuId{1}) == area);
    }
    CHECK(f.space.find_busy(area->start - 1, CpuId{1}) == below);
    CHECK(f.space.find_busy(area->end, CpuId{1}) == nullptr);
}

TEST_CASE("a purged area is taken by the next request of its size on the CPU that had asked for it") {
    Fixture<> f;
    VmapArea* const area = f.alloc(5, 2);
    f.alloc(1);
    const std::uint64_t start = area->start;
    CHECK_FALSE(area->pooled);
    (void)f.space.free_lazily(area, CpuId{3});  // who frees it does not matter
    CHECK(f.alloc(5, 2)->start != start);       // still lazy
    f.space.purge(CpuId{0});
    CHECK(f.space.pools(2).count() == 1);
    CHECK(f.violation() == "");
    CHECK(f.alloc(5, 1)->start != start);  // another node
    CHECK(f.alloc(4, 2)->start != start);  // another size
    VmapArea* const again = f.alloc(5, 2);
    CHECK(again->start == start);
    CHECK(again->pooled);
    CHECK(f.space.pools(2).count() == 0);
}

TEST_CASE("areas of more than 256 pages are freed, not pooled") {
    Fixture<> f;
    f.fill_pool(0, 1, 257);
    CHECK(f.space.pools(0).count() == 0);
    CHECK(f.space.free().count() == 1);
    f.fill_pool(0, 1, 256);
    CHECK(f.space.pools(0).count() == 1);
}

TEST_CASE("a pooled area of the wrong alignment goes behind the others, and the tree is asked") {
    Fixture<> f;
    f.fill_pool(0, 2, 1);  // pages 0 and 1 of the window
    const std::uint64_t begin = window.begin.value();
    CHECK(f.alloc(1, 0, 2 * page)->start == begin);
    CHECK(f.alloc(1, 0, 2 * page)->start == begin + 2 * page);  // page 1 is met and put behind
    CHECK(f.alloc(1)->start == begin + page);
}

TEST_CASE("each purge frees a quarter of what a pool keeps, and a drain all of it") {
    Fixture<> f;
    f.fill_pool(0, 10, 3);
    CHECK(f.space.pools(0).count() == 10);
    const auto purge_something = [&] {
        (void)f.space.free_lazily(f.alloc(300), CpuId{0});
        f.space.purge(CpuId{0});
    };
    for (const std::uint64_t left : {8U, 6U, 5U, 4U, 3U, 3U}) {
        purge_something();
        CHECK(f.space.pools(0).count() == left);
        CHECK(f.violation() == "");
    }
    f.space.drain_pools(CpuId{0});
    CHECK(f.space.pools(0).count() == 0);
    CHECK(f.space.free().count() == 1);
}

TEST_CASE("a search that fails gets what all pools keep") {
    Fixture<> f;
    const AddressRange narrow{window.begin, window.begin.plus_pages(40)};
    std::vector<VmapArea*> areas;
    for (unsigned i = 0; i < 10; ++i) areas.push_back(f.space.alloc(4 * page, page, narrow, CpuId{i % 4}));
    for (VmapArea* area : areas) (void)f.space.free_lazily(area, CpuId{0});
    f.space.purge(CpuId{0});
    CHECK(f.space.alloc(40 * page, page, narrow, CpuId{1}) != nullptr);
    CHECK(f.space.alloc(page, page, narrow, CpuId{1}) == nullptr);
    CHECK(f.violation() == "");
}

TEST_CASE("a block of vm_map_ram is found by the node of its begin, from any address in it") {
    Fixture<> f;
    VmapBlocks<OwnedCpus> blocks{f.space, f.cpus, window};
    std::vector<VirtAddr> taken;
    while (taken.size() * 64 < blocks.block_pages()) taken.push_back(*blocks.take(64, CpuId{2}));
    CHECK(blocks.blocks() == 1);
    for (const VirtAddr at : taken) {
        const auto claimed = blocks.claim(at, 64, CpuId{1});
        REQUIRE_FALSE(claimed.fault);
        (void)blocks.give(claimed, CpuId{1});
    }
    CHECK(blocks.blocks() == 0);
    CHECK(blocks.claim(taken.back(), 64, CpuId{1}).fault == MisuseKind::foreign_pointer);
    CHECK_FALSE(blocks.find_violation());
    CHECK(f.violation() == "");
}

TEST_CASE("each law of nodes and pools is named when it is broken") {
    using Inside = VmapSpace<OwnedCpus>::Inside;
    Fixture<> f;
    VmapArea* const busy = f.alloc(16);  // in the node of the window's begin
    f.fill_pool(1, 2, 5);
    unsigned home = 0;
    while (f.space.busy(home).count() == 0) ++home;
    REQUIRE(f.violation() == "");
    SECTION("an area in another node") {
        Inside::busy(f.space, home).remove(busy);
        Inside::busy(f.space, (home + 1) % 4).insert(busy);
        CHECK(f.law() == "V1");
        Inside::busy(f.space, (home + 1) % 4).remove(busy);
        Inside::busy(f.space, home).insert(busy);
    }
    SECTION("an area that left its pool and is nowhere") {
        VmapArea* const lost = Inside::pools(f.space, 1).take(5 * page, page, window);
        CHECK(f.law() == "V2");
        Inside::pools(f.space, 1).put(lost);
    }
    SECTION("a pooled area that is given out too") {
        VmapArea second{.start = busy->start + 2 * page, .end = busy->start + 3 * page};
        Inside::pools(f.space, 0).put(&second);
        CHECK(f.law() == "V1");
        (void)Inside::pools(f.space, 0).take(page, page, window);
    }
}

namespace {

/// Each CPU takes and frees areas of a few sizes by itself; locks that all CPUs share, per pair.
double shared_locks_per_pair(unsigned most_nodes) {
    constexpr unsigned cpu_count = 64;
    constexpr unsigned rounds = 400;
    Fixture<SimulatedCpus> f{cpu_count, lazy_max_pages(cpu_count) / 64, most_nodes};
    for (unsigned i = 0; i < rounds; ++i) {
        for (unsigned cpu = 0; cpu < cpu_count; ++cpu) f.free(f.alloc(1 + (i + cpu) % 8, cpu), cpu);
    }
    CHECK(f.violation() == "");
    return static_cast<double>(f.space.shared_locks_taken()) / (cpu_count * rounds);
}

}  // namespace

TEST_CASE("CPUs that use what they freed themselves rarely take a lock that all share") {
    const double of_one_tree = shared_locks_per_pair(1);
    const double of_nodes = shared_locks_per_pair(most_vmap_nodes);
    CAPTURE(of_one_tree, of_nodes);
    CHECK(of_one_tree > 3.9);  // search, busy in, busy out, lazy in
    CHECK(of_nodes * 12 < of_one_tree);
}

namespace {

/// At a marked point, with some chance, another CPU takes or frees an area.
class AreaStorm : public Schedule {
  public:
    explicit AreaStorm(unsigned most_nodes, std::uint64_t seed) : f_{cpu_count, 300, most_nodes}, x_{seed} {
        f_.cpus.follow(this);
    }
    std::string rage(int operations) {
        for (int i = 0; i < operations; ++i) {
            const unsigned cpu = any();
            if (operate(cpu)) {
                running_[cpu] = true;
                f_.space.purge(CpuId{cpu});
                running_[cpu] = false;
            }
            if (i % 16 != 0) continue;
            if (std::string found = f_.violation(); !found.empty()) return found;
        }
        return f_.violation();
    }
    void at(Point, CpuId) override {
        if (deep_ || draw() % 4 != 0) return;
        const unsigned cpu = any();
        if (running_[cpu]) return;
        deep_ = true;
        (void)operate(cpu);
        deep_ = false;
    }

  private:
    static constexpr unsigned cpu_count = 6;

    /// True: a purge is due.
    bool operate(unsigned cpu) {
        running_[cpu] = true;
        bool due = false;
        if (live_.empty() || draw() % 100 < (live_.size() < 200 ? 55 : 45)) {
            live_.push_back(f_.alloc(1 + draw() % 12, cpu, page << draw() % 3));
        } else {
            std::swap(live_[draw() % live_.size()], live_.back());
            VmapArea* const area = live_.back();
            live_.pop_back();
            due = f_.space.free_lazily(area, CpuId{cpu});
        }
        running_[cpu] = false;
        return due;
    }
    std::uint64_t draw() { return x_ ^= x_ << 13, x_ ^= x_ >> 7, x_ ^= x_ << 17; }
    unsigned any() { return static_cast<unsigned>(draw() % cpu_count); }

    Fixture<SimulatedCpus> f_;
    std::vector<VmapArea*> live_;
    std::array<bool, cpu_count> running_{};
    bool deep_ = false;
    std::uint64_t x_;
};

}  // namespace

TEST_CASE("areas taken and freed in the midst of other CPUs' operations break no law") {
    for (const unsigned most_nodes : {1U, most_vmap_nodes}) {
        for (const std::uint64_t seed : {1U, 77U, 4711U}) {
            CAPTURE(most_nodes, seed);
            CHECK(AreaStorm{most_nodes, seed}.rage(4000) == "");
        }
    }
}

// The steps of a search grow with the logarithm of the number of areas: counted, not timed.
#include <catch2/catch.hpp>
#include <cmath>
#include <deque>

#include "allocators/machine/cpus.hpp"
#include "allocators/vmalloc/vmap_space.hpp"
#include "bench/mapping/tree_depth.hpp"
#include "bench/measure/recorded_draws.hpp"

using namespace kmemlab;
using namespace kmemlab::mapping;

namespace {

constexpr CpuId cpu{0};

/// Areas of 1..4 pages, each replaced once on average, purged.
struct Spaces {
    explicit Spaces(std::size_t areas) {
        std::vector<VmapArea*> live;
        for (std::size_t i = 0; i < areas; ++i) live.push_back(make());
        for (std::size_t i = 0; i < areas; ++i) {
            VmapArea*& one = live[draws.next() % areas];
            if (space.free_lazily(one, cpu)) space.purge(cpu);
            one = make();
        }
        space.purge(cpu);
    }
    VmapArea* make() {
        return space.alloc((1 + draws.next() % 4) * page_size, page_size, vmalloc_range(), cpu);
    }
    static AddressRange vmalloc_range() { return {VirtAddr{1U << 20}, VirtAddr{std::uint64_t{1} << 46}}; }

    OwnedCpus cpus{1};
    VmapSpace<OwnedCpus> space{cpus, lazy_max_pages(1), [](std::uint64_t, std::uint64_t, CpuId) {}};
    Draws draws{1};
};

}  // namespace

TEST_CASE("a hundred times as many areas take a search a logarithm more steps") {
    const Spaces few{1000};
    const Spaces many{100000};
    for (const Spaces* spaces : {&few, &many}) {
        for (const AreaTree* tree : {&spaces->space.busy(), &spaces->space.free()}) {
            const Depth depth = depth_of(*tree);
            // A red-black tree's height; more nodes than one, or nothing is tested.
            CHECK(depth.nodes > 1);
            CHECK(static_cast<double>(depth.deepest) <= 2 * std::log2(static_cast<double>(depth.nodes) + 1));
        }
    }
    const auto mean = [](const AreaTree& tree) {
        const Depth depth = depth_of(tree);
        return static_cast<double>(depth.steps) / static_cast<double>(depth.nodes);
    };
    CHECK(depth_of(many.space.busy()).nodes == 100000);
    const double more = mean(many.space.busy()) - mean(few.space.busy());
    CHECK(more > 0.7 * std::log2(100.0));
    CHECK(more < 1.5 * std::log2(100.0));
}

TEST_CASE("the depth of a tree is that of its nodes") {
    std::deque<VmapArea> areas;
    AreaTree tree;
    for (std::uint64_t i = 0; i < 3; ++i) {
        areas.push_back({.start = (i + 1) << page_shift, .end = (i + 2) << page_shift});
        tree.insert(&areas.back());
    }
    const Depth depth = depth_of(tree);
    CHECK(depth.nodes == 3);
    CHECK(depth.steps == 1 + 2 + 2);
    CHECK(depth.deepest == 2);
}

/// Maps of memory count what the allocators count.
#include <catch2/catch.hpp>

#include <array>
#include <map>

#include "bench/inspect/cache_picture.hpp"
#include "bench/inspect/page_map.hpp"
#include "tests/texts/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::inspect;

namespace {

struct Counts {
    std::array<std::uint64_t, order_count> free_blocks{};
    std::map<PageUse, std::uint64_t> pages;
    std::map<std::string, std::uint64_t> slabs;
    std::uint64_t all = 0;
};

Counts counts_of(const PageMap& map, const OwnerTable& table) {
    Counts counts;
    for (const Run& run : map.runs) {
        const Owner& owner = table.owners().at(run.owner);
        const std::uint64_t pages = std::uint64_t{run.pages} * run.blocks;
        counts.all += pages;
        counts.pages[owner.use] += pages;
        if (owner.use == PageUse::slab) counts.slabs[owner.name] += run.blocks;
        if (owner.use != PageUse::free) continue;
        CHECK(run.pages == Order{owner.order}.pages());
        counts.free_blocks.at(owner.order) += run.blocks;
    }
    return counts;
}

}  // namespace

TEST_CASE("a map has the free blocks of each order, and every page of the arena once") {
    BuddyModel::Config config;
    config.machine.arena = std::size_t{24} << 20;
    config.buddy.pcp_high = 2000;  // so that the lists keep larger blocks too
    BuddyModel model{config};
    std::vector<std::pair<Pfn, Order>> held;
    std::uint64_t held_pages = 0;
    for (unsigned i = 0; i < 500; ++i) {
        const Order order{i * 7 % 11 % 5};
        const auto pfn = model.take(order, i % 3 == 0 ? GFP_KERNEL | __GFP_MOVABLE : GFP_KERNEL, CpuId{0});
        REQUIRE(pfn);
        held.emplace_back(*pfn, order);
    }
    for (std::size_t i = 0; i < held.size(); ++i) {
        if (i % 2 == 0)
            model.give(held[i].first, held[i].second, CpuId{0});
        else
            held_pages += held[i].second.pages();
    }
    OwnerTable table;
    const PageMap map = map_of(model.buddy(), model.arena(), table, [](FrameIndex, PageState) {
        return Owner{PageUse::pages, "pages"};
    });
    Counts counts = counts_of(map, table);
    CHECK(counts.all == model.arena().frames());
    CHECK(counts.free_blocks == model.free_blocks().value());
    CHECK(counts.pages[PageUse::pages] == held_pages);
    CHECK(counts.pages[PageUse::pages] == model.buddy().pages_in_use());
    std::uint64_t on_lists = 0;
    for (const auto& zone : model.buddy().zones()) {
        for (CpuId cpu; zone->populated() && cpu.value() < model.buddy().cpu_count(); ++cpu)
            on_lists += static_cast<std::uint64_t>(zone->per_cpu(cpu).count());
    }
    CHECK(counts.pages[PageUse::per_cpu] == on_lists);
    CHECK(counts.pages[PageUse::reserved] == 0);
}

TEST_CASE("a block on a CPU's list is one block") {
    BuddyModel model{{}};
    const auto pfn = model.take(Order{2}, GFP_KERNEL, CpuId{0});
    REQUIRE(pfn);
    model.give(*pfn, Order{2}, CpuId{0});
    OwnerTable table;
    const PageMap map =
        map_of(model.buddy(), model.arena(), table, [](FrameIndex, PageState) { return Owner{}; });
    const std::uint32_t on_list = table.number({PageUse::per_cpu, "on a CPU's list"});
    std::uint64_t blocks = 0;
    for (const Run& run : map.runs) {
        if (run.owner != on_list) continue;
        CHECK(run.pages == 4);
        blocks += run.blocks;
    }
    CHECK(blocks != 0);
    CHECK(counts_of(map, table).pages[PageUse::reserved] == 0);
}

TEST_CASE("a stolen pageblock changes its letter") {
    BuddyModel::Config config;
    config.machine.arena = std::size_t{16} << 20;
    BuddyModel model{config};
    const auto letters = [&] {
        OwnerTable table;
        return map_of(model.buddy(), model.arena(), table,
                      [](FrameIndex, PageState) {
                          return Owner{PageUse::pages, "pages"};
                      })
            .pageblocks;
    };
    CHECK(letters() == "MMMMMMMM");
    const auto pfn = model.take(Order{3}, GFP_KERNEL, CpuId{0});
    REQUIRE(pfn);
    std::string expected = "MMMMMMMM";
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (model.buddy().zone(0).pageblock_type(Pfn{i * 512}) == MigrateType::unmovable) expected[i] = 'U';
    }
    CHECK(letters() == expected);
    CHECK(expected[pfn->value() / 512] == 'U');
}

TEST_CASE("an arena that begins within a pageblock has a letter for it") {
    BuddyModel::Config config;
    config.machine.arena = std::size_t{5} << 20;
    config.machine.start_pfn = 256;
    BuddyModel model{config};
    OwnerTable table;
    const PageMap map =
        map_of(model.buddy(), model.arena(), table, [](FrameIndex, PageState) { return Owner{}; });
    CHECK(map.pageblocks.size() == 3);
    CHECK(counts_of(map, table).all == 1280);
}

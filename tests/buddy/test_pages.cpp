/// The kernel's interface: what alloc_pages and its relatives promise their callers.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "allocators/buddy/inside.hpp"
#include "tests/buddy/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

TEST_CASE("a block is aligned by its pfn, whatever the arena begins with") {
    BuddyMachine<> machine{std::size_t{64} << 20, 1, BuddyMachine<>::single_zone(), Pfn{777}};
    for (Order order; order <= max_order; ++order) {
        const auto pfn = machine.buddy.take(order, GFP_KERNEL, cpu0);
        REQUIRE(pfn);
        CHECK(pfn->is_aligned(order));
        CHECK(reinterpret_cast<std::uintptr_t>(machine.arena.address(*pfn)) % order.bytes() == 0);
    }
    CHECK(machine.broken_law() == "");
}

TEST_CASE("an order above ten is refused without a trace") {
    BuddyMachine<> machine;
    const auto before = machine.buddy.free_blocks();
    CHECK(machine.buddy.alloc_pages(GFP_KERNEL, Order{11}, cpu0) == nullptr);
    CHECK(machine.buddy.last_path(cpu0) == Path::failed);
    CHECK(machine.buddy.free_blocks() == before);
}

TEST_CASE("__GFP_ZERO clears a block that was used before") {
    BuddyMachine<> machine;
    for (const Order order : {Order{0}, Order{2}, Order{5}}) {
        void* dirty = machine.buddy.__get_free_pages(GFP_KERNEL, order, cpu0);
        std::memset(dirty, 0xff, order.bytes());
        machine.buddy.free_pages(dirty, order, cpu0);
        auto* clean =
            static_cast<unsigned char*>(machine.buddy.__get_free_pages(GFP_KERNEL | __GFP_ZERO, order, cpu0));
        REQUIRE(clean == dirty);
        CHECK(std::all_of(clean, clean + order.bytes(), [](unsigned char byte) { return byte == 0; }));
    }
    auto* page = static_cast<unsigned char*>(machine.buddy.get_zeroed_page(GFP_KERNEL, cpu0));
    CHECK(page[0] == 0);
}

TEST_CASE("a compound block's pages know their head, until it is freed") {
    BuddyMachine<> machine;
    Page* head = machine.buddy.alloc_pages(GFP_KERNEL | __GFP_COMP, Order{3}, cpu0);
    const FrameIndex first = machine.arena.index(*head);
    for (FrameIndex i = 0; i < 8; ++i) CHECK(machine.arena.page_at(first + i).head == first);
    machine.buddy.__free_pages(head, Order{3}, cpu0);
    for (FrameIndex i = 0; i < 8; ++i) CHECK(machine.arena.page_at(first + i).head == no_frame);
}

TEST_CASE("with a reference left, a plain block keeps its first page and a compound block all of them") {
    BuddyMachine<> machine{std::size_t{64} << 20, 1, BuddyMachine<>::without_pcp()};
    const std::uint64_t before = machine.buddy.pages_in_use();
    const bool compound = GENERATE(false, true);
    const Gfp gfp = compound ? GFP_KERNEL | __GFP_COMP : GFP_KERNEL;
    Page* page = machine.buddy.alloc_pages(gfp, Order{4}, cpu0);
    machine.buddy.get_page(page);
    machine.buddy.__free_pages(page, Order{4}, cpu0);
    CHECK(machine.buddy.pages_in_use() - before == (compound ? 16 : 1));
    CHECK(machine.broken_law() == "");
    machine.buddy.put_page(page, cpu0);
    CHECK(machine.buddy.pages_in_use() == before);
    CHECK(machine.broken_law() == "");
}

TEST_CASE("bulk allocation fills the empty entries and leaves the others") {
    BuddyMachine<> machine;
    Page* own = machine.buddy.alloc_page(GFP_KERNEL, cpu0);
    std::array<Page*, 100> pages{};
    pages[7] = own;
    CHECK(machine.buddy.alloc_pages_bulk_array(GFP_KERNEL, pages, cpu0) == pages.size());
    CHECK(pages[7] == own);
    std::array sorted = pages;
    std::sort(sorted.begin(), sorted.end());
    CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
    for (Page* page : pages) machine.buddy.__free_pages(page, Order{0}, cpu0);
    CHECK(machine.broken_law() == "");
}

TEST_CASE("bulk allocation gets one page where the watermark leaves room for one only") {
    BuddyMachine<> machine{std::size_t{1} << 20, 1};
    std::vector<Page*> held;
    const auto& marks = machine.zone().settings().marks;
    while (machine.zone().free_pages() > static_cast<std::int64_t>(marks.low) + 2) {
        held.push_back(machine.buddy.alloc_page(GFP_KERNEL, cpu0));
    }
    std::array<Page*, 64> pages{};
    CHECK(machine.buddy.alloc_pages_bulk_array(GFP_KERNEL, pages, cpu0) >= 1);
}

TEST_CASE("a block on the CPU's list does not pass the watermark while no free list has one as large") {
    BuddyMachine<> machine{std::size_t{4} << 20, 1};
    const Order pair{1};
    const auto kept = machine.buddy.take(pair, GFP_KERNEL, cpu0);
    REQUIRE(kept);
    machine.buddy.drain_local_pages(cpu0);
    std::vector<Pfn> singles;
    while (const auto pfn = machine.buddy.take(Order{0}, GFP_NOWAIT, cpu0)) singles.push_back(*pfn);
    for (const Pfn pfn : singles) {
        if (pfn.is_aligned(pair)) machine.buddy.give(pfn, Order{0}, cpu0);
    }
    machine.buddy.drain_local_pages(cpu0);
    while (machine.buddy.take(pair, GFP_NOWAIT, cpu0)) continue;  // what the watermark had kept back
    machine.buddy.drain_local_pages(cpu0);
    machine.buddy.give(*kept, pair, cpu0);
    CHECK_FALSE(machine.buddy.take(pair, GFP_NOWAIT, cpu0));
    CHECK(machine.buddy.take(pair, GFP_KERNEL, cpu0) == kept);  // reclaim empties the list first
    CHECK(machine.broken_law() == "");
}

TEST_CASE("an exact allocation gives the pages it does not need back") {
    BuddyMachine<> machine{std::size_t{64} << 20, 1, BuddyMachine<>::without_pcp()};
    const auto before = machine.buddy.free_blocks();
    void* memory = machine.buddy.alloc_pages_exact(5 * page_size + 1, GFP_KERNEL, cpu0);
    CHECK(machine.buddy.pages_in_use() == 6);
    CHECK(machine.broken_law() == "");
    machine.buddy.free_pages_exact(memory, 5 * page_size + 1, cpu0);
    CHECK(machine.buddy.free_blocks() == before);
    CHECK(machine.broken_law() == "");
}

TEST_CASE("a request goes to the highest zone it may use and falls to lower ones only") {
    BuddyConfig config;
    config.layout = "dma:1000,dma32:3001,normal";  // borders aligned to nothing
    BuddyMachine<> machine{std::size_t{64} << 20, 1, config};
    const auto zone_at = [&](Pfn pfn) { return pfn < Pfn{1000} ? 0 : pfn < Pfn{4001} ? 1 : 2; };
    CHECK(zone_at(*machine.buddy.take(Order{0}, GFP_KERNEL, cpu0)) == 2);
    CHECK(zone_at(*machine.buddy.take(Order{0}, GFP_HIGHUSER_MOVABLE, cpu0)) == 2);
    CHECK(zone_at(*machine.buddy.take(Order{0}, GFP_KERNEL | __GFP_DMA32, cpu0)) == 1);
    CHECK(zone_at(*machine.buddy.take(Order{0}, GFP_KERNEL | __GFP_DMA, cpu0)) == 0);
    std::uint64_t blocks = 0;
    while (const auto pfn = machine.buddy.take(Order{0}, GFP_NOWAIT | __GFP_DMA32, cpu0)) {
        REQUIRE(zone_at(*pfn) < 2);
        ++blocks;
    }
    CHECK(blocks > 3000);  // all of DMA32 and some of DMA, which lowmem_reserve protects
    CHECK(machine.broken_law() == "");
}

TEST_CASE("a request for zones without memory gets none, and none of a higher zone") {
    BuddyConfig config;
    config.layout = "x86-64";
    BuddyMachine<> machine{std::size_t{16} << 20, 1, config, Pfn{4096}};  // above all of DMA
    for (const Order order : {Order{0}, Order{0}, Order{3}}) {
        CHECK_FALSE(machine.buddy.take(order, GFP_KERNEL | __GFP_DMA, cpu0));
    }
    std::array<Page*, 3> pages{};
    CHECK(machine.buddy.alloc_pages_bulk_array(GFP_KERNEL | __GFP_DMA, pages, cpu0) == 0);
    CHECK(machine.buddy.take(Order{0}, GFP_KERNEL | __GFP_DMA32, cpu0));
    CHECK(machine.reports.empty());
    CHECK(machine.broken_law() == "");
}

TEST_CASE("no block crosses an unaligned zone border, and freeing all restores the largest blocks") {
    BuddyConfig config;
    config.layout = "dma:1000,dma32:3001,normal";
    BuddyMachine<> machine{std::size_t{64} << 20, 2, config};
    const auto before = machine.buddy.free_blocks();
    std::vector<std::pair<Pfn, Order>> live;
    std::uint64_t seed = 42;
    for (int i = 0; i < 20000; ++i) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        const CpuId cpu{static_cast<unsigned>(seed >> 60) & 1};
        const Order order{static_cast<unsigned>(seed >> 40) % 11};
        if ((seed >> 33) % 3 != 0) {
            const Gfp gfp = (seed >> 50) % 2 == 0 ? GFP_KERNEL : GFP_HIGHUSER_MOVABLE;
            if (const auto pfn = machine.buddy.take(order, gfp, cpu)) live.emplace_back(*pfn, order);
        } else if (!live.empty()) {
            std::swap(live[(seed >> 20) % live.size()], live.back());
            machine.buddy.give(live.back().first, live.back().second, cpu);
            live.pop_back();
        }
        if (i % 1000 == 0) REQUIRE(machine.broken_law() == "");
    }
    for (const auto& [pfn, order] : live) machine.buddy.give(pfn, order, cpu0);
    machine.buddy.drain(cpu0);
    CHECK(machine.buddy.free_blocks() == before);
    CHECK(machine.buddy.pages_in_use() == 0);
    CHECK(machine.broken_law() == "");
}

TEST_CASE("urgent requests go deeper: NOWAIT to min, ATOMIC to three eighths of it, MEMALLOC to the end") {
    BuddyMachine<> machine{std::size_t{64} << 20, 1, BuddyMachine<>::without_pcp()};
    const auto min = static_cast<std::int64_t>(machine.zone().settings().marks.min);
    const auto drain_by = [&](Gfp gfp) {
        while (machine.buddy.take(Order{0}, gfp, cpu0)) {
        }
        return machine.zone().free_pages();
    };
    CHECK(drain_by(GFP_NOWAIT) == min);
    CHECK(drain_by(GFP_ATOMIC) == min - min / 2 - (min - min / 2) / 4);
    CHECK(drain_by(GFP_KERNEL | __GFP_MEMALLOC) == 0);
    CHECK(machine.broken_law() == "");
}

TEST_CASE("NOFAIL takes the last page") {
    BuddyMachine<> machine{std::size_t{4} << 20, 1, BuddyMachine<>::without_pcp()};
    std::uint64_t pages = 0;
    while (machine.buddy.take(Order{0}, GFP_KERNEL | __GFP_NOFAIL, cpu0)) ++pages;
    CHECK(pages == machine.arena.frames());
}

TEST_CASE("an atomic block of several pages founds a HIGHATOMIC reserve, which drain gives back") {
    BuddyMachine<> machine{std::size_t{64} << 20, 1, BuddyMachine<>::without_pcp()};
    const auto before = machine.buddy.free_blocks();
    std::vector<Pfn> held;
    while (const auto pfn = machine.buddy.take(Order{0}, GFP_NOWAIT, cpu0)) held.push_back(*pfn);
    for (int i = 0; i < 600; ++i) {  // above min, below low
        machine.buddy.give(held.back(), Order{0}, cpu0);
        held.pop_back();
        if (machine.zone().free_pages() > static_cast<std::int64_t>(machine.zone().settings().marks.min) + 8)
            break;
    }
    const auto atomic = machine.buddy.take(Order{1}, GFP_ATOMIC, cpu0);
    REQUIRE(atomic);
    CHECK(machine.zone().reserved_highatomic() == machine.zone().pageblock_pages());
    CHECK(machine.broken_law() == "");
    machine.buddy.give(*atomic, Order{1}, cpu0);
    for (const Pfn pfn : held) machine.buddy.give(pfn, Order{0}, cpu0);
    machine.buddy.drain(cpu0);
    CHECK(machine.zone().reserved_highatomic() == 0);
    CHECK(machine.broken_law() == "");
    CHECK(machine.buddy.free_blocks() == before);
}

TEST_CASE("a page table of the ways: fast after a refill, steal for another type, zone for large blocks") {
    BuddyMachine<> machine{std::size_t{64} << 20, 1};
    const auto path_of = [&](Order order, Gfp gfp) {
        REQUIRE(machine.buddy.take(order, gfp, cpu0));
        return machine.buddy.last_path(cpu0);
    };
    CHECK(path_of(Order{0}, GFP_HIGHUSER_MOVABLE) == Path::refill);
    CHECK(path_of(Order{0}, GFP_HIGHUSER_MOVABLE) == Path::fast);
    CHECK(path_of(Order{5}, GFP_HIGHUSER_MOVABLE) == Path::zone);
    CHECK(path_of(Order{0}, GFP_KERNEL) == Path::steal);
    const AllocatorStats stats = machine.buddy.stats();
    CHECK(stats.allocations[static_cast<std::size_t>(Path::fast)] == 1);
    CHECK(stats.allocations[static_cast<std::size_t>(Path::refill)] == 1);
    CHECK(stats.allocations[static_cast<std::size_t>(Path::zone)] == 1);
    CHECK(stats.allocations[static_cast<std::size_t>(Path::steal)] == 1);
}

TEST_CASE("zones that cannot be are refused in one line") {
    const auto message = [](const char* layout, std::size_t bytes) -> std::string {
        BuddyConfig config;
        config.layout = layout;
        try {
            const BuddyMachine<> machine{bytes, 1, config};
        } catch (const UsageError& error) {
            return error.what();
        }
        return "";
    };
    CHECK_THAT(message("single", 3 * page_size), Catch::Contains("3 pages are too few"));
    CHECK_THAT(message("normal:100,dma", std::size_t{8} << 20), Catch::Contains("in ascending order"));
    CHECK_THAT(message("dma:100000,normal", std::size_t{8} << 20),
               Catch::Contains("more than the arena's 2048 pages"));
    CHECK_THAT(message("dma:x,normal", std::size_t{8} << 20), Catch::Contains("NAME:PAGES"));
    CHECK(message("dma:100,normal", std::size_t{8} << 20).empty());
}

TEST_CASE("drain ends the whole reserve: what a zone ends in, and what was on a CPU's list") {
    // The last pageblock is cut by the zone's end, so that BUDDY-41 cannot give it back.
    BuddyConfig config = BuddyMachine<>::single_zone();
    config.min_free_kbytes = 800;
    BuddyMachine<> machine{std::size_t{2760} << page_shift, 2, config};
    const auto before = machine.buddy.free_blocks();
    std::vector<Pfn> single;
    while (const auto pfn = machine.buddy.take(Order{0}, GFP_NOWAIT, cpu0)) single.push_back(*pfn);
    machine.buddy.give(single.back(), Order{0}, CpuId{1});
    single.pop_back();
    std::vector<Pfn> pairs;
    while (const auto pfn = machine.buddy.take(Order{1}, GFP_ATOMIC, cpu0)) pairs.push_back(*pfn);
    REQUIRE(machine.zone().reserved_highatomic() > 0);
    for (const Pfn pfn : pairs) machine.buddy.give(pfn, Order{1}, cpu0);
    for (const Pfn pfn : single) machine.buddy.give(pfn, Order{0}, cpu0);
    machine.buddy.drain_all_pages(cpu0);
    CHECK(machine.broken_law() == "");
    machine.buddy.drain(cpu0);
    CHECK(machine.zone().reserved_highatomic() == 0);
    CHECK(machine.buddy.free_blocks() == before);
    CHECK(machine.broken_law() == "");
}

TEST_CASE("lists of all orders and types may be filled beyond the limit, once each") {
    BuddyConfig config = BuddyMachine<>::single_zone();
    config.pcp_batch = config.pcp_high = 8;
    BuddyMachine<> machine{std::size_t{64} << 20, 1, config};
    for (Order order; order <= costly_order; ++order) {
        for (const Gfp type : {Gfp{}, __GFP_MOVABLE, __GFP_RECLAIMABLE}) {
            REQUIRE(machine.buddy.take(order, GFP_KERNEL | type, cpu0));
        }
    }
    CHECK(machine.broken_law() == "");
}

namespace {

/// All free blocks, list by list from the head, as (first frame, order).
std::vector<std::pair<FrameIndex, unsigned>> free_lists(Zone<OwnedCpus>& zone) {
    std::vector<std::pair<FrameIndex, unsigned>> blocks;
    zone.visit_free_blocks(Order{0}, cpu0,
                           [&](FrameIndex first, Order order) { blocks.emplace_back(first, order.value()); });
    return blocks;
}

/// The same pages in another order: pieces of up to 100, some of them turned round, some shuffled.
void rearrange(std::vector<Pfn>& pages, std::mt19937& random) {
    std::sort(pages.begin(), pages.end());
    for (auto piece = pages.begin(); piece != pages.end();) {
        const auto left = static_cast<std::size_t>(pages.end() - piece);
        const auto end = piece + static_cast<std::ptrdiff_t>(std::min<std::size_t>(1 + random() % 100, left));
        switch (random() % 4) {
            case 0:
                std::reverse(piece, end);
                break;
            case 1:
                std::shuffle(piece, end, random);
                break;
            default:
                break;
        }
        piece = end;
    }
    std::rotate(pages.begin(), pages.begin() + static_cast<std::ptrdiff_t>(random() % pages.size()),
                pages.end());
}

}  // namespace

TEST_CASE("blocks that a CPU's list takes and gives in batches come and go as one by one") {
    const Order order{GENERATE(0u, 1u, 2u, 3u)};
    BuddyConfig config = BuddyMachine<>::single_zone();
    config.pcp_batch = 64;
    config.pcp_high = 1 << 20;
    BuddyMachine<> batches{std::size_t{64} << 20, 4, config, Pfn{512}};
    BuddyMachine<> singly{std::size_t{64} << 20, 4, BuddyMachine<>::without_pcp(), Pfn{512}};
    std::mt19937 random{order.value()};
    std::vector<Pfn> held;
    for (int round = 0; round < 20; ++round) {
        const Gfp gfp = random() % 2 == 0 ? GFP_KERNEL : GFP_HIGHUSER_MOVABLE;
        const std::size_t wanted = (64 >> order.value()) * (1 + random() % 20);
        for (std::size_t i = 0; i < wanted; ++i) {
            const auto pfn = batches.buddy.take(order, gfp, cpu0);
            REQUIRE(pfn);
            REQUIRE(singly.buddy.take(order, gfp, cpu0) == pfn);
            held.push_back(*pfn);
        }
        REQUIRE(batches.zone().per_cpu(cpu0).count() == 0);
        rearrange(held, random);
        const std::size_t kept = random() % held.size();
        // A CPU's lists are emptied one after another.
        std::stable_sort(held.begin() + static_cast<std::ptrdiff_t>(kept), held.end(), [&](Pfn a, Pfn b) {
            return batches.zone().pageblock_type(a) < batches.zone().pageblock_type(b);
        });
        for (auto* machine : {&batches, &singly}) {
            machine->zone().settle_free_pages(cpu0);
            for (std::size_t i = kept; i < held.size(); ++i) machine->buddy.give(held[i], order, cpu0);
        }
        held.resize(kept);
        batches.buddy.drain_local_pages(cpu0);
        REQUIRE(free_lists(batches.zone()) == free_lists(singly.zone()));
        REQUIRE(batches.zone().free_pages() == singly.zone().free_pages());
        REQUIRE(batches.broken_law() == "");
    }
}

TEST_CASE("pages that remember different types leave a CPU's list apart, though they lie beside each other") {
    BuddyConfig config = BuddyMachine<>::single_zone();
    config.pcp_batch = 64;
    config.pcp_high = 1 << 20;
    const auto type_of_block = [](const BuddyConfig& with) {
        BuddyMachine<> machine{std::size_t{64} << 20, 1, with};
        std::vector<Pfn> pages;
        for (int i = 0; i < 64; ++i)
            pages.push_back(*machine.buddy.take(Order{0}, GFP_HIGHUSER_MOVABLE, cpu0));
        for (std::size_t i = 0; i < pages.size(); ++i) {
            if (i == 32)
                Zone<OwnedCpus>::Inside::set_pageblock_type(machine.zone(), pages[0],
                                                            MigrateType::highatomic);
            machine.buddy.give(pages[i], Order{0}, cpu0);
        }
        machine.buddy.drain_local_pages(cpu0);
        return machine.arena.page(pages[0]).load_state().type;
    };
    CHECK(type_of_block(config) == MigrateType::highatomic);
    CHECK(type_of_block(BuddyMachine<>::without_pcp()) == MigrateType::highatomic);
}

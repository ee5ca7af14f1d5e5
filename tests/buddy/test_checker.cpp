/// The checker itself: each law is broken deep inside, and find_violation must name it.
#include <catch2/catch.hpp>

#include "allocators/buddy/inside.hpp"
#include "tests/buddy/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

using Inside = Zone<OwnedCpus>::Inside;

/// A machine in use: free blocks of many orders, pages on two CPUs' lists, live blocks.
struct UsedMachine : BuddyMachine<> {
    UsedMachine() {
        for (unsigned i = 0; i < 200; ++i) {
            const Order order{i % 7};
            const CpuId cpu{i % 2};
            const Pfn pfn = *buddy.take(order, i % 3 == 0 ? GFP_KERNEL : GFP_HIGHUSER_MOVABLE, cpu);
            if (i % 4 != 0) buddy.give(pfn, order, cpu);
            last = i % 4 == 0 ? pfn : last;
        }
        REQUIRE(broken_law() == "");
    }
    [[nodiscard]] FrameIndex free_block(Order order) {
        for (auto& list : Inside::free_area(zone(), order).lists) {
            if (!list.empty()) return list.head();
        }
        FAIL("no free block of order " << order.value());
        return no_frame;
    }
    /// The smallest order that has a free block.
    [[nodiscard]] Order some_order() {
        Order order;
        while (Inside::free_area(zone(), order).blocks == 0) ++order;
        return order;
    }
    [[nodiscard]] PerCpuPages& pcp() { return zone().per_cpu(cpu0); }
    Pfn last;
};

}  // namespace

TEST_CASE("B1: a frame that says it is free but is on no list") {
    UsedMachine machine;
    machine.arena.page(machine.last)
        .store_state({PageKind::free_block, machine.arena.page(machine.last).load_state().order,
                      MigrateType::movable, 0});
    CHECK(machine.broken_law() == "B1");
}

TEST_CASE("B1: a frame that says it is on a CPU's list but is not") {
    UsedMachine machine;
    machine.arena.page(machine.last).store_state({PageKind::per_cpu, 0, MigrateType::movable, 0});
    const std::string law = machine.broken_law();
    CHECK((law == "B1" || law == "B5"));
}

TEST_CASE("B2: the number of blocks, the links of a list, the counter of free pages") {
    UsedMachine machine;
    SECTION("number") {
        ++Inside::free_area(machine.zone(), machine.some_order()).blocks;
    }
    SECTION("counter") {
        Inside::free_pages(machine.zone()) += 1;
    }
    SECTION("held back too much") {
        machine.pcp().free_pages_difference += 1000;
        Inside::free_pages(machine.zone()) -= 1000;
    }
    SECTION("links") {
        auto& list = Inside::free_area(machine.zone(), max_order).list(MigrateType::movable);
        REQUIRE(list.head() != list.tail());
        machine.arena.page_at(list.tail()).prev = list.tail();
    }
    CHECK(machine.broken_law() == "B2");
}

TEST_CASE("B3: a block on a list whose descriptor disagrees, or that is not aligned") {
    UsedMachine machine;
    const Order order = machine.some_order();
    Page& page = machine.arena.page_at(machine.free_block(order));
    PageState state = page.load_state();
    SECTION("order") {
        ++state.order;
    }
    SECTION("kind") {
        state.kind = PageKind::allocated;
    }
    page.store_state(state);
    CHECK(machine.broken_law() == "B3");
}

TEST_CASE("B4: two free buddies that were not merged") {
    BuddyMachine<> machine{std::size_t{64} << 20, 1, BuddyMachine<>::without_pcp()};
    // Cut a free block of order 10 in two on the list of order 9.
    auto& tenth = Inside::free_area(machine.zone(), max_order);
    const FrameIndex index = tenth.list(MigrateType::movable).pop_head(machine.arena);
    --tenth.blocks;
    Inside::add_free_block(machine.zone(), index, Order{9}, MigrateType::movable);
    Inside::add_free_block(machine.zone(), index + 512, Order{9}, MigrateType::movable);
    CHECK(machine.broken_law() == "B4");
}

TEST_CASE("B5: a frame that is in no block") {
    UsedMachine machine;
    machine.arena.page(machine.last).store_state({});
    CHECK(machine.broken_law() == "B5");
}

TEST_CASE("B6: a block marked with another type than the list it lies on") {
    UsedMachine machine;
    Page& page = machine.arena.page_at(machine.free_block(machine.some_order()));
    PageState state = page.load_state();
    state.type = MigrateType::highatomic;
    page.store_state(state);
    CHECK(machine.broken_law() == "B6");
}

TEST_CASE("B7: the reserve's count, and its limit") {
    UsedMachine machine;
    SECTION("count") {
        Inside::reserved_highatomic(machine.zone()) += 512;
    }
    SECTION("limit") {
        for (std::uint64_t i = 0; i < 4; ++i) {
            Inside::set_pageblock_type(machine.zone(), Pfn{i * 512}, MigrateType::highatomic);
            Inside::reserved_highatomic(machine.zone()) += 512;
        }
    }
    CHECK(machine.broken_law() == "B7");
}

TEST_CASE("B8: a CPU's count, a stranger on its list, more pages than it may hold") {
    UsedMachine machine;
    SECTION("count") {
        machine.pcp().add(1);
    }
    SECTION("a stranger") {
        machine.pcp().lists[1].push_head(machine.arena, machine.arena.index(machine.last));
        machine.pcp().add(1);
    }
    SECTION("too many") {
        machine.pcp().set_high(-1000);
    }
    CHECK(machine.broken_law() == "B8");
}

TEST_CASE("B10: watermarks out of order, a reserve that is not what the zones come to") {
    UsedMachine machine;
    SECTION("watermarks") {
        Inside::settings(machine.zone()).marks.low = 0;
    }
    SECTION("reserve") {
        Inside::settings(machine.zone()).lowmem_reserve[0] = 1;
    }
    CHECK(machine.broken_law() == "B10");
}

TEST_CASE("B13: a free block that carries its last owner's marks") {
    UsedMachine machine;
    machine.arena.page_at(machine.free_block(machine.some_order())).owner = &machine;
    CHECK(machine.broken_law() == "B13");
}

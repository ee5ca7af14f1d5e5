#include <catch2/catch.hpp>

#include "tests/buddy/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

TEST_CASE("misuse of pages is reported once with its kind, and the allocator stays sound") {
    BuddyMachine<> machine;
    auto& buddy = machine.buddy;
    const auto expect = [&](MisuseKind kind) {
        REQUIRE(machine.reports.size() == 1);
        CHECK(machine.reports[0].kind == kind);
        CHECK_FALSE(machine.reports[0].report.empty());
        CHECK(machine.broken_law() == "");
    };
    SECTION("double free, while the page is on a CPU's list") {
        const Pfn pfn = *buddy.take(Order{0}, GFP_KERNEL, cpu0);
        buddy.give(pfn, Order{0}, cpu0);
        buddy.give(pfn, Order{0}, cpu0);
        expect(MisuseKind::double_free);
        CHECK_THAT(machine.reports[0].report, Catch::Contains("Bad page state"));
    }
    SECTION("double free of a large block") {
        const Pfn pfn = *buddy.take(Order{10}, GFP_KERNEL, cpu0);
        buddy.give(pfn, Order{10}, cpu0);
        buddy.give(pfn, Order{10}, cpu0);
        expect(MisuseKind::double_free);
    }
    SECTION("a wrong order") {
        const Pfn pfn = *buddy.take(Order{3}, GFP_KERNEL, cpu0);
        buddy.give(pfn, Order{2}, cpu0);
        expect(MisuseKind::wrong_order);
        buddy.give(pfn, Order{3}, cpu0);
        CHECK(machine.reports.size() == 1);
    }
    SECTION("a page inside a block") {
        const Pfn pfn = *buddy.take(Order{3}, GFP_KERNEL, cpu0);
        buddy.give(pfn + 1, Order{0}, cpu0);
        expect(MisuseKind::interior_pointer);
    }
    SECTION("an address that is no page of the arena") {
        int other = 0;
        buddy.deallocate(&other, cpu0);
        expect(MisuseKind::foreign_pointer);
    }
    SECTION("an address inside a page") {
        auto* p = static_cast<std::byte*>(buddy.allocate({.size = 100}));
        buddy.deallocate(p + 8, cpu0);
        expect(MisuseKind::interior_pointer);
    }
    SECTION("a request for two zones") {
        CHECK_FALSE(buddy.take(Order{0}, GFP_KERNEL | __GFP_DMA | __GFP_DMA32, cpu0));
        expect(MisuseKind::bad_request);
    }
    SECTION("a request for two migrate types") {
        CHECK_FALSE(buddy.take(Order{0}, GFP_KERNEL | __GFP_MOVABLE | __GFP_RECLAIMABLE, cpu0));
        expect(MisuseKind::bad_request);
    }
}

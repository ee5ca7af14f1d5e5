#include <catch2/catch.hpp>

#include <limits>
#include <set>
#include <string>
#include <type_traits>

#include "allocators/base/path.hpp"
#include "allocators/base/units.hpp"

using namespace kmemlab;

// One unit cannot be passed for another, nor a number for a unit.
static_assert(!std::is_convertible_v<unsigned, Order> && !std::is_convertible_v<unsigned, CpuId>);
static_assert(!std::is_convertible_v<std::uint64_t, Pfn> && !std::is_convertible_v<Pfn, std::uint64_t>);
static_assert(!std::is_constructible_v<Pfn, Order> && !std::is_constructible_v<Order, Pfn>);
static_assert(!std::is_constructible_v<CpuId, Order>);

TEST_CASE("an order is a power of two of pages") {
    for (Order order; order <= max_order; ++order) {
        CHECK(order.pages() == std::uint64_t{1} << order.value());
        CHECK(order.bytes() == order.pages() * page_size);
    }
    CHECK(max_order.bytes() == std::size_t{4} << 20);
    CHECK(order_count == 11);
    CHECK(page_size == 4096);
}

TEST_CASE("the order of a size is the least that holds it") {
    CHECK(order_of(1) == Order{0});
    CHECK(order_of(4096) == Order{0});
    CHECK(order_of(4097) == Order{1});
    CHECK(order_of(8192) == Order{1});
    CHECK(order_of(8193) == Order{2});
    for (Order order; order < Order{40}; ++order) {
        INFO(order.value());
        CHECK(order_of(order.bytes() - 1) == order);
        CHECK(order_of(order.bytes()) == order);
        CHECK(order_of(order.bytes() + 1).value() == order.value() + 1);
    }
}

TEST_CASE("the order of the largest sizes does not wrap round") {
    CHECK(order_of(std::numeric_limits<std::size_t>::max()) == Order{52});
    CHECK(order_of(std::size_t{1} << 63) == Order{51});
    CHECK(order_of(max_order.bytes() + 1) > max_order);
}

TEST_CASE("a block's buddy is the other half of the block above") {
    CHECK(Pfn{0}.buddy(Order{0}) == Pfn{1});
    CHECK(Pfn{1}.buddy(Order{0}) == Pfn{0});
    CHECK(Pfn{8}.buddy(Order{3}) == Pfn{0});
    CHECK(Pfn{0x12340}.buddy(Order{4}) == Pfn{0x12350});
    for (Order order; order < max_order; ++order) {
        for (std::uint64_t number = 0; number < 8; ++number) {
            const Pfn block{0x40000 + number * order.pages()};
            const Pfn buddy = block.buddy(order);
            const Order above{order.value() + 1};
            CHECK(buddy != block);
            CHECK(buddy.buddy(order) == block);
            CHECK(buddy.is_aligned(order));
            CHECK(buddy.align_down(above) == block.align_down(above));
        }
    }
}

TEST_CASE("frames are aligned down and up to blocks") {
    CHECK(Pfn{0}.align_up(max_order) == Pfn{0});
    CHECK(Pfn{1}.align_up(max_order) == Pfn{1024});
    CHECK(Pfn{1023}.align_down(max_order) == Pfn{0});
    CHECK(Pfn{1024}.align_down(max_order) == Pfn{1024});
    CHECK(Pfn{1024}.align_up(max_order) == Pfn{1024});
    CHECK(Pfn{17}.align_up(Order{0}) == Pfn{17});
    CHECK(Pfn{0x1000}.is_aligned(max_order));
    CHECK_FALSE(Pfn{0x1200}.is_aligned(max_order));
    for (std::uint64_t number = 1000; number < 1100; ++number) {
        const Pfn down = Pfn{number}.align_down(Order{5});
        const Pfn up = Pfn{number}.align_up(Order{5});
        CHECK((down.is_aligned(Order{5}) && up.is_aligned(Order{5})));
        CHECK((down <= Pfn{number} && Pfn{number} <= up && up - down <= 32));
    }
}

TEST_CASE("frames are counted and compared") {
    Pfn pfn{100};
    CHECK((pfn + 28) - pfn == 28);
    CHECK(pfn - 100 == Pfn{0});
    CHECK(++pfn == Pfn{101});
    CHECK((pfn += 99) == Pfn{200});
    CHECK(Pfn{3} < Pfn{4});
    CHECK(++CpuId{254} == CpuId{255});
    CHECK(--Order{1} == Order{0});
}

TEST_CASE("every path has a name of its own") {
    std::set<std::string> names;
    for (std::size_t path = 0; path < path_count; ++path) {
        const std::string name{to_string(static_cast<Path>(path))};
        CHECK_FALSE(name.empty());
        CHECK(names.insert(name).second);
    }
    CHECK(to_string(Path::fast) == "fast");
    CHECK(to_string(Path::new_slab) == "new_slab");
    CHECK(to_string(Path::failed) == "failed");
    CHECK(to_string(Path::opaque) == "opaque");
}

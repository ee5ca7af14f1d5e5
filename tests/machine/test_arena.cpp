#include <catch2/catch.hpp>

#include "allocators/base/check.hpp"
#include "allocators/machine/arena.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/machine/page_list.hpp"
#include "allocators/machine/page_source.hpp"

using namespace kmemlab;

TEST_CASE("a frame's address is arithmetic and as aligned as its pfn") {
    const Arena arena{std::size_t{64} << 20, Pfn{512}};
    CHECK(arena.frames() == 16384);
    CHECK(arena.pfn(arena.address(Pfn{1024}) + 17) == Pfn{1024});
    CHECK(reinterpret_cast<std::uintptr_t>(arena.address(Pfn{1024})) % max_order.bytes() == 0);
    CHECK(arena.contains(arena.address(Pfn{512})));
    CHECK_FALSE(arena.contains(arena.address(Pfn{512}) - 1));
    CHECK_FALSE(arena.contains(arena.address(Pfn{512}) + arena.bytes()));
}

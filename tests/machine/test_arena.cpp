#include <catch2/catch.hpp>

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/machine/arena.hpp"

using namespace kmemlab;
using Catch::Matchers::Contains;

namespace {

/// Bytes of the arena's file that there are pages for.
std::size_t resident_bytes(const Arena& arena) {
    struct stat facts {};
    fstat(arena.memfd(), &facts);
    return static_cast<std::size_t>(facts.st_blocks) * 512;
}

/// Pages of `range` that are in memory.
std::size_t resident_pages(const void* begin, std::size_t bytes) {
    std::vector<unsigned char> pages((bytes + page_size - 1) / page_size);
    if (mincore(const_cast<void*>(begin), bytes, pages.data()) != 0) return ~std::size_t{0};
    return static_cast<std::size_t>(std::count_if(pages.begin(), pages.end(), [](auto p) { return p & 1; }));
}

}  // namespace

TEST_CASE("a frame's address is arithmetic and as aligned as its pfn") {
    const Arena arena{std::size_t{64} << 20, Pfn{512}};
    CHECK(arena.frames() == 16384);
    CHECK(arena.start() == Pfn{512});
    CHECK(arena.end() == Pfn{512 + 16384});
    CHECK(arena.pfn(arena.address(Pfn{1024}) + 17) == Pfn{1024});
    CHECK(reinterpret_cast<std::uintptr_t>(arena.address(Pfn{1024})) % max_order.bytes() == 0);
    CHECK(arena.address(Pfn{513}) == arena.address(Pfn{512}) + page_size);
}

TEST_CASE("an arena contains its frames and no others") {
    const Arena arena{std::size_t{64} << 20, Pfn{512}};
    CHECK(arena.contains(Pfn{512}));
    CHECK(arena.contains(Pfn{512 + 16383}));
    CHECK_FALSE(arena.contains(Pfn{511}));
    CHECK_FALSE(arena.contains(Pfn{512 + 16384}));
    CHECK(arena.contains(arena.address(Pfn{512})));
    CHECK(arena.contains(arena.address(Pfn{512}) + arena.bytes() - 1));
    CHECK_FALSE(arena.contains(arena.address(Pfn{512}) - 1));
    CHECK_FALSE(arena.contains(arena.address(Pfn{512}) + arena.bytes()));
    CHECK_FALSE(arena.contains(static_cast<const void*>(nullptr)));
}

TEST_CASE("a descriptor is found by frame, by index and back") {
    const Arena arena{std::size_t{1} << 20, Pfn{4096}};
    Page& page = arena.page(Pfn{4100});
    CHECK(&page == &arena.page_at(4));
    CHECK(arena.index(Pfn{4100}) == 4);
    CHECK(arena.index(page) == 4);
    CHECK(arena.pfn_at(4) == Pfn{4100});
    CHECK(arena.address_at(4) == arena.address(Pfn{4100}));
    CHECK(arena.metadata_bytes() == 256 * sizeof(Page));
}

TEST_CASE("an arena is rounded down to whole pages") {
    CHECK(Arena{page_size}.frames() == 1);
    CHECK(Arena{3 * page_size + 4095}.frames() == 3);
    CHECK(Arena{3 * page_size + 4095}.bytes() == 3 * page_size);
}

TEST_CASE("an arena without a page or of 16 TiB is refused") {
    CHECK_THROWS_WITH(Arena{0}, Contains("arena: 0 bytes"));
    CHECK_THROWS_WITH(Arena{4095}, Contains("arena: 4095 bytes"));
    CHECK_THROWS_WITH(Arena{std::size_t{1} << 44}, Contains("not below 16 TiB"));
    CHECK_THROWS_AS(Arena{std::numeric_limits<std::size_t>::max()}, UsageError);
}

TEST_CASE("of 64 GiB only what is touched becomes resident") {
    const Arena arena{std::size_t{64} << 30};
    CHECK(arena.frames() == std::uint64_t{16} << 20);
    CHECK(resident_bytes(arena) == 0);
    const std::uint64_t stride = arena.frames() / 100;
    for (std::uint64_t i = 0; i < 100; ++i) {
        *arena.address(Pfn{i * stride}) = std::byte{1};
        arena.page(Pfn{i * stride}).head = 1;
    }
    const std::size_t touched = resident_bytes(arena);
    CHECK(touched >= 100 * page_size);
    CHECK(touched <= 100 * (std::size_t{2} << 20));  // where shared memory comes in huge pages
    CHECK(resident_pages(&arena.page_at(0), arena.metadata_bytes()) <= 100 * 512);
}

TEST_CASE("memory and descriptors of a fresh arena are zero") {
    const Arena arena{std::size_t{1} << 20};
    for (FrameIndex i = 0; i < arena.frames(); ++i) {
        CHECK(arena.page_at(i).load_state() == PageState{});
        CHECK(arena.page_at(i).word == 0);
        CHECK(*arena.address_at(i) == std::byte{});
    }
}

TEST_CASE("a second mapping of the file shows the same memory") {
    const Arena arena{std::size_t{1} << 20};
    void* const other = mmap(nullptr, page_size, PROT_READ, MAP_SHARED, arena.memfd(), 5 * page_size);
    REQUIRE(other != MAP_FAILED);
    *arena.address(Pfn{5}) = std::byte{42};
    CHECK(*static_cast<const std::byte*>(other) == std::byte{42});
    munmap(other, page_size);
}

TEST_CASE("two arenas share nothing") {
    const Arena one{std::size_t{1} << 20};
    const Arena other{std::size_t{1} << 20};
    *one.address(Pfn{0}) = std::byte{1};
    one.page(Pfn{0}).word = 1;
    CHECK(*other.address(Pfn{0}) == std::byte{0});
    CHECK(other.page(Pfn{0}).word == 0);
}

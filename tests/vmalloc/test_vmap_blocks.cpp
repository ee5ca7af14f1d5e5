// vm_map_ram's blocks: positions that only advance, queues of CPUs, blocks that go.
#include <catch2/catch.hpp>

#include "allocators/vmalloc/inside.hpp"

using namespace kmemlab;

namespace {

constexpr AddressRange window{VirtAddr{0xffffc90000000000}, VirtAddr{0xffffe8ffffffffff}};
constexpr CpuId cpu0{0};
constexpr CpuId cpu1{1};

struct Fixture {
    OwnedCpus cpus{2};
    VmapSpace<OwnedCpus> space{cpus, 1 << 20, [](std::uint64_t, std::uint64_t, CpuId) {}};
    VmapBlocks<OwnedCpus> blocks{space, cpus, window};

    std::uint64_t take(std::uint64_t pages, CpuId cpu = cpu0) {
        return blocks.take(pages, cpu)->page() - window.begin.page();
    }
    void give(std::uint64_t page, std::uint64_t pages, CpuId cpu = cpu0) {
        const VirtAddr at = window.begin.plus_pages(page);
        const auto claimed = blocks.claim(at, pages, cpu);
        REQUIRE_FALSE(claimed.fault);
        CHECK_FALSE(blocks.give(claimed, cpu));
    }
    std::string violation() const {
        const auto found = blocks.find_violation();
        return found ? found->message() : "";
    }
};

}  // namespace

TEST_CASE("a block has 1024 pages, fewer only for very many CPUs") {
    CHECK(vmap_block_pages(1) == 1024);
    CHECK(vmap_block_pages(2048) == 1024);
    CHECK(vmap_block_pages(8192) == 256);
}

TEST_CASE("requests are rounded to powers of two and follow each other in their CPU's block") {
    Fixture f;
    CHECK(f.take(1) == 0);
    CHECK(f.take(3) == 1);
    CHECK(f.take(64) == 5);
    CHECK(f.take(1, cpu1) == 1024);
    CHECK(f.take(2) == 69);
    CHECK(f.blocks.blocks() == 2);
    CHECK(f.violation() == "");
}

TEST_CASE("what was unmapped is not used again, and a block goes when all of it is dirty") {
    Fixture f;
    for (std::uint64_t i = 0; i < 16; ++i) CHECK(f.take(64) == 64 * i);
    CHECK(f.take(64) == 1024);
    for (std::uint64_t i = 0; i < 15; ++i) f.give(64 * i, 64, i % 2 == 0 ? cpu0 : cpu1);
    CHECK(f.space.lazy_pages() == 0);
    CHECK(f.blocks.blocks() == 2);
    f.give(64 * 15, 64);
    CHECK(f.space.lazy_pages() == 1024);
    CHECK(f.blocks.blocks() == 1);
    CHECK(f.violation() == "");
}

TEST_CASE("the oldest block with room serves a request") {
    Fixture f;
    for (int i = 0; i < 31; ++i) (void)f.take(32);  // 32 pages are left
    CHECK(f.take(64) == 1024);
    CHECK(f.take(32) == 992);
    CHECK(f.take(32) == 1088);
}

TEST_CASE("a block in which nothing lives is dropped if asked, whoever's it is") {
    Fixture f;
    const std::uint64_t mine = f.take(8);
    const std::uint64_t others = f.take(8, cpu1);
    f.give(others, 8);
    f.blocks.drop_fragmented(cpu0);
    CHECK(f.blocks.blocks() == 1);
    CHECK(f.space.lazy_pages() == 1024);
    f.give(mine, 8);
    CHECK(f.blocks.dirty_range(cpu0) == AddressRange{window.begin, window.begin.plus_pages(8)});
    f.blocks.drop_fragmented(cpu0);
    CHECK(f.blocks.blocks() == 0);
    const AddressRange nothing = f.blocks.dirty_range(cpu0);
    CHECK(nothing.begin > nothing.end);
    CHECK(f.violation() == "");
}

TEST_CASE("what was unmapped in a block without room is to be flushed too") {
    Fixture f;
    const std::uint64_t first = f.take(64);
    for (int i = 1; i < 16; ++i) (void)f.take(64);
    f.give(first, 64);
    CHECK(f.blocks.dirty_range(cpu0) == AddressRange{window.begin, window.begin.plus_pages(64)});
    CHECK(f.violation() == "");
}

TEST_CASE("what nobody took cannot be claimed") {
    Fixture f;
    const auto claim = [&](std::uint64_t page, std::uint64_t pages) {
        return f.blocks.claim(window.begin.plus_pages(page), pages, cpu1).fault;
    };
    CHECK(claim(0, 1) == MisuseKind::foreign_pointer);
    (void)f.take(64);
    (void)f.take(3);
    CHECK(claim(64, 4) == MisuseKind::wrong_order);
    CHECK(claim(63, 1) == MisuseKind::interior_pointer);
    CHECK(claim(67, 1) == MisuseKind::interior_pointer);  // of a page that rounding took
    CHECK(claim(68, 1) == MisuseKind::foreign_pointer);
    CHECK(claim(1024, 1) == MisuseKind::foreign_pointer);
    f.give(0, 64);
    CHECK(claim(0, 64) == MisuseKind::double_free);
    CHECK(claim(63, 1) == MisuseKind::double_free);
    CHECK(f.violation() == "");
}

TEST_CASE("a block that is not as it says is named") {
    using Inside = VmapBlocks<OwnedCpus>::Inside;
    Fixture f;
    f.give(f.take(8), 8);
    (void)f.take(4);
    auto& block = Inside::any_block(f.blocks);
    auto& queue = Inside::queue(f.blocks, cpu0);
    const auto breaks = [&](auto& field, auto value) {
        const auto before = std::exchange(field, value);
        CHECK_THAT(f.violation(), Catch::Contains("V9"));
        field = before;
        CHECK(f.violation() == "");
    };
    CHECK(f.violation() == "");
    breaks(block.free, std::uint64_t{0});
    breaks(block.dirty, std::uint64_t{9});
    breaks(block.dirty, std::uint64_t{7});
    breaks(block.live[8], std::uint8_t{5});
    breaks(block.live[8], std::uint8_t{0});
    breaks(block.dirty, std::uint64_t{1024});
    breaks(block.dirty_end, std::uint64_t{2000});
    breaks(block.home, cpu1);
    queue.clear();
    CHECK_THAT(f.violation(), Catch::Contains("V9"));
    queue.assign(2, &block);
    CHECK_THAT(f.violation(), Catch::Contains("V9"));
    queue.clear();
    const auto all = std::exchange(Inside::all(f.blocks), {});
    CHECK_THAT(f.violation(), Catch::Contains("V9") && Catch::Contains("no more"));
    Inside::all(f.blocks) = all;
}

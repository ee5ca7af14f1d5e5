// What all MMUs promise, asked of each in the same words (allocators/mmu/mmu.hpp).
#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "allocators/mmu/host_mmu.hpp"
#include "allocators/mmu/soft_mmu.hpp"

using namespace kmemlab;

namespace {

constexpr CpuId cpu{0};

/// The host's, in a window of kept address space; HostMmu has a hole where there is one.
struct KeptHostMmu : HostMmu {
    explicit KeptHostMmu(Arena& arena) : HostMmu{arena, {.way = HostWindow::Way::kept}} {}
};

template <class M>
struct Machine {
    Arena arena{std::size_t{16} << 20, Pfn{512}};
    M mmu{arena};
    VirtAddr base = mmu.window().begin;

    [[nodiscard]] std::string broken_law() const {
        const auto violation = mmu.find_violation();
        return violation ? violation->message() : "";
    }
    [[nodiscard]] std::span<std::byte> direct(Pfn pfn) { return {arena.address(pfn), page_size}; }
};

std::vector<Pfn> frames_from(Pfn first, std::uint64_t count) {
    std::vector<Pfn> frames;
    for (std::uint64_t i = 0; i < count; ++i) frames.push_back(first + i);
    return frames;
}

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span{text});
}

template <class M>
std::string read_text(M& mmu, VirtAddr at, std::size_t size) {
    std::string text(size, '?');
    return mmu.read(at, std::as_writable_bytes(std::span{text}), cpu) ? text : "fault";
}

/// Maps without Mmu's promises: one of its functions is missing.
struct NoFlush {
    bool map(VirtAddr, std::span<const Pfn>, CpuId);
    bool map_huge(VirtAddr, Pfn, Order, CpuId);
    void unmap(VirtAddr, std::uint64_t, CpuId);
};
static_assert(!Mmu<NoFlush>);

}  // namespace

TEMPLATE_TEST_CASE("bytes written through a mapping are those of the direct map", "", SoftMmu, HostMmu,
                   KeptHostMmu) {
    Machine<TestType> m;
    const auto frames = frames_from(m.arena.start() + 7, 3);
    REQUIRE(m.mmu.map(m.base, frames, cpu));
    REQUIRE(m.mmu.write(m.base + 100, bytes_of("mapped"), cpu));
    CHECK(std::memcmp(m.arena.address(frames[0]) + 100, "mapped", 6) == 0);
    std::memcpy(m.arena.address(frames[2]), "direct", 6);
    CHECK(read_text(m.mmu, m.base.plus_pages(2), 6) == "direct");
    CHECK(m.broken_law() == "");
}

TEMPLATE_TEST_CASE("frames in any order follow each other in virtual memory", "", SoftMmu, HostMmu,
                   KeptHostMmu) {
    Machine<TestType> m;
    std::vector<Pfn> frames = frames_from(m.arena.start(), 600);
    for (std::size_t i = 0; i < frames.size(); i += 7) std::swap(frames[i], frames[(i * 13) % frames.size()]);
    REQUIRE(m.mmu.map(m.base.plus_pages(300), frames, cpu));
    for (std::size_t i = 0; i < frames.size(); ++i) {
        REQUIRE(m.mmu.frame_of(m.base.plus_pages(300 + i) + 5) == frames[i]);
    }
    CHECK(m.mmu.stats().mapped_pages == 600);
    CHECK(m.broken_law() == "");
}

TEMPLATE_TEST_CASE("a read that crosses pages takes each page's frame", "", SoftMmu, HostMmu, KeptHostMmu) {
    Machine<TestType> m;
    const std::array frames{m.arena.start() + 9, m.arena.start() + 3};
    REQUIRE(m.mmu.map(m.base, frames, cpu));
    REQUIRE(m.mmu.write(m.base + (page_size - 3), bytes_of("abcdef"), cpu));
    CHECK(std::memcmp(m.arena.address(frames[0]) + page_size - 3, "abc", 3) == 0);
    CHECK(std::memcmp(m.arena.address(frames[1]), "def", 3) == 0);
    CHECK(read_text(m.mmu, m.base + (page_size - 3), 6) == "abcdef");
}

TEMPLATE_TEST_CASE("what was never mapped faults, at both sides of a mapping", "", SoftMmu, HostMmu,
                   KeptHostMmu) {
    Machine<TestType> m;
    REQUIRE(m.mmu.map(m.base.plus_pages(1), frames_from(m.arena.start(), 2), cpu));
    CHECK_FALSE(m.mmu.touch(m.base, cpu));
    CHECK(m.mmu.touch(m.base.plus_pages(1), cpu));
    CHECK(m.mmu.touch(m.base.plus_pages(3) + ~std::uint64_t{0}, cpu));
    CHECK_FALSE(m.mmu.touch(m.base.plus_pages(3), cpu));
    CHECK_FALSE(m.mmu.frame_of(m.base));
    CHECK(read_text(m.mmu, m.base.plus_pages(2), page_size + 1) == "fault");
    CHECK_FALSE(m.mmu.write(m.base, bytes_of("x"), cpu));
}

TEMPLATE_TEST_CASE("after unmap and flush an address faults and can be mapped anew", "", SoftMmu, HostMmu,
                   KeptHostMmu) {
    Machine<TestType> m;
    REQUIRE(m.mmu.map(m.base, frames_from(m.arena.start(), 4), cpu));
    REQUIRE(m.mmu.touch(m.base.plus_pages(2), cpu));
    m.mmu.unmap(m.base, 4, cpu);
    CHECK_FALSE(m.mmu.frame_of(m.base));
    CHECK(m.mmu.stats().mapped_pages == 0);
    m.mmu.flush(m.base, m.base.plus_pages(4), cpu);
    CHECK_FALSE(m.mmu.touch(m.base.plus_pages(2), cpu));
    const std::array other{m.arena.start() + 50};
    REQUIRE(m.mmu.map(m.base.plus_pages(2), other, cpu));
    std::memcpy(m.arena.address(other[0]), "anew", 4);
    CHECK(read_text(m.mmu, m.base.plus_pages(2), 4) == "anew");
    CHECK(m.broken_law() == "");
}

TEMPLATE_TEST_CASE("a lazy address keeps what was there until the flush", "", SoftMmu, HostMmu, KeptHostMmu) {
    Machine<TestType> m;
    REQUIRE(m.mmu.map(m.base, frames_from(m.arena.start(), 2), cpu));
    std::memcpy(m.arena.address(m.arena.start()), "stale", 5);
    REQUIRE(m.mmu.touch(m.base, cpu));
    m.mmu.unmap(m.base, 2, cpu);
    CHECK(read_text(m.mmu, m.base, 5) == "stale");
    CHECK(m.broken_law() == "");
    m.mmu.flush(m.base, m.base.plus_pages(2), cpu);
    CHECK(read_text(m.mmu, m.base, 5) == "fault");
}

TEMPLATE_TEST_CASE("unmapping the middle leaves both ends", "", SoftMmu, HostMmu, KeptHostMmu) {
    Machine<TestType> m;
    REQUIRE(m.mmu.map(m.base, frames_from(m.arena.start(), 9), cpu));
    m.mmu.unmap(m.base.plus_pages(3), 3, cpu);
    m.mmu.flush(m.base, m.base.plus_pages(9), cpu);
    std::string seen;
    for (std::uint64_t i = 0; i < 9; ++i) seen += m.mmu.touch(m.base.plus_pages(i), cpu) ? 'm' : '-';
    CHECK(seen == "mmm---mmm");
    CHECK(m.mmu.frame_of(m.base.plus_pages(7)) == m.arena.start() + 7);
    CHECK(m.mmu.stats().mapped_pages == 6);
    CHECK(m.broken_law() == "");
}

TEMPLATE_TEST_CASE("a flush spares what is still mapped between lazy areas", "", SoftMmu, HostMmu,
                   KeptHostMmu) {
    Machine<TestType> m;
    for (std::uint64_t i = 0; i < 5; ++i) {
        REQUIRE(m.mmu.map(m.base.plus_pages(4 * i), frames_from(m.arena.start() + 3 * i, 3), cpu));
    }
    for (const std::uint64_t i : {0U, 1U, 3U, 4U}) m.mmu.unmap(m.base.plus_pages(4 * i), 3, cpu);
    m.mmu.flush(m.base, m.base.plus_pages(20), cpu);
    for (std::uint64_t i = 0; i < 20; ++i) {
        CHECK(m.mmu.touch(m.base.plus_pages(i), cpu) == (i >= 8 && i < 11));
    }
    CHECK(m.broken_law() == "");
}

TEMPLATE_TEST_CASE("a huge leaf maps 512 frames", "", SoftMmu, HostMmu, KeptHostMmu) {
    Machine<TestType> m;
    const Pfn first{1024};
    REQUIRE(m.mmu.map_huge(m.base, first, order_2m, cpu));
    CHECK(m.mmu.frame_of(m.base.plus_pages(511)) == first + 511);
    CHECK(m.mmu.stats().huge_leaves == 1);
    CHECK(m.mmu.stats().mapped_pages == 512);
    std::memcpy(m.arena.address(first + 77), "huge", 4);
    CHECK(read_text(m.mmu, m.base.plus_pages(77), 4) == "huge");
    m.mmu.unmap(m.base, 512, cpu);
    m.mmu.flush(m.base, m.base.plus_pages(512), cpu);
    CHECK_FALSE(m.mmu.touch(m.base.plus_pages(77), cpu));
    CHECK(m.mmu.stats().huge_leaves == 0);
    CHECK(m.broken_law() == "");
}

TEMPLATE_TEST_CASE("mapping nothing does nothing", "", SoftMmu, HostMmu, KeptHostMmu) {
    Machine<TestType> m;
    CHECK(m.mmu.map(m.base, {}, cpu));
    m.mmu.unmap(m.base, 0, cpu);
    m.mmu.unmap(m.base, 5, cpu);
    m.mmu.flush(m.base, m.base, cpu);
    CHECK(m.mmu.stats().mapped_pages == 0);
    CHECK(m.mmu.stats().flushes == 0);
    CHECK(m.broken_law() == "");
}

TEMPLATE_TEST_CASE("all agree with a plain array through 20000 random operations", "", SoftMmu, HostMmu,
                   KeptHostMmu) {
    Machine<TestType> m;
    constexpr std::uint64_t pages = 256;
    std::vector<std::optional<Pfn>> expected(pages);
    std::uint64_t seed = 7;
    const auto random = [&seed](std::uint64_t below) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        return (seed >> 33) % below;
    };
    for (int step = 0; step < 20000; ++step) {
        const std::uint64_t begin = random(pages);
        const std::uint64_t count = 1 + random(std::min<std::uint64_t>(pages - begin, 12));
        const auto area = std::span{expected}.subspan(begin, count);
        const bool free = std::all_of(area.begin(), area.end(), [](auto frame) { return !frame; });
        if (free) {
            // Flushed before, so the addresses are not lazy.
            const auto frames = frames_from(m.arena.start() + random(1000), count);
            REQUIRE(m.mmu.map(m.base.plus_pages(begin), frames, cpu));
            std::copy(frames.begin(), frames.end(), area.begin());
        } else {
            m.mmu.unmap(m.base.plus_pages(begin), count, cpu);
            std::fill(area.begin(), area.end(), std::nullopt);
            m.mmu.flush(m.base.plus_pages(begin), m.base.plus_pages(begin + count), cpu);
        }
        const std::uint64_t probe = random(pages);
        REQUIRE(m.mmu.touch(m.base.plus_pages(probe), cpu) == expected[probe].has_value());
        REQUIRE(m.mmu.frame_of(m.base.plus_pages(probe)) == expected[probe]);
        if (step % 1000 == 0) REQUIRE(m.broken_law() == "");
    }
}

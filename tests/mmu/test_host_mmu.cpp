// What only HostMmu has: the mappings that the kernel below us really made, and their limit. Asked of both
// kinds of window; where there is no hole to be had, both are kept.
#include <sys/mman.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "allocators/mmu/host_mmu.hpp"
#include "tests/support/child.hpp"

using namespace kmemlab;

namespace {

constexpr CpuId cpu{0};

/// Mappings of the process that touch the window, as the kernel tells; address space merges with its
/// neighbours, so the first and the last may begin before or end behind.
std::uint64_t mappings_in(AddressRange window) {
    std::ifstream maps{"/proc/self/maps"};
    std::uint64_t count = 0;
    for (std::string line; std::getline(maps, line);) {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        char dash = 0;
        std::istringstream{line} >> std::hex >> begin >> dash >> end;
        if (VirtAddr{begin} < window.end && VirtAddr{end} > window.begin) ++count;
    }
    return count;
}

using Hole = std::integral_constant<HostWindow::Way, HostWindow::Way::hole>;
using Kept = std::integral_constant<HostWindow::Way, HostWindow::Way::kept>;

template <class Way>
struct Machine {
    explicit Machine(HostMmuConfig config = {}) : mmu{arena, in_way(config)} {}

    static HostMmuConfig in_way(HostMmuConfig config) {
        config.way = Way::value;
        return config;
    }
    /// Mappings that so many stretches without an extent take: in a hole none, but for the sentinel.
    [[nodiscard]] std::uint64_t gaps(std::uint64_t count) const {
        return mmu.way() == HostWindow::Way::hole ? 1 : count;
    }

    bool map(std::uint64_t page, Pfn first, std::uint64_t count, std::uint64_t stride = 1) {
        std::vector<Pfn> frames;
        for (std::uint64_t i = 0; i < count; ++i) frames.push_back(first + i * stride);
        return mmu.map(base.plus_pages(page), frames, cpu);
    }
    void unmap(std::uint64_t page, std::uint64_t count) { mmu.unmap(base.plus_pages(page), count, cpu); }
    void flush(std::uint64_t page, std::uint64_t count) {
        mmu.flush(base.plus_pages(page), base.plus_pages(page + count), cpu);
    }
    [[nodiscard]] char* at(std::uint64_t page) const {
        return static_cast<char*>(HostMmu::pointer(base.plus_pages(page)));
    }
    [[nodiscard]] std::string broken_law() const {
        const auto violation = mmu.find_violation();
        return violation ? violation->message() : "";
    }
    [[nodiscard]] std::uint64_t mappings() const {
        const std::uint64_t sentinel = mmu.way() == HostWindow::Way::hole ? 1 : 0;
        return mappings_in(mmu.window()) + sentinel;
    }
    void check_mappings() const {
        CHECK(mmu.stats().mappings == mappings());
        CHECK(broken_law() == "");
    }

    Arena arena{std::size_t{64} << 20, Pfn{100}};
    HostMmu mmu;
    VirtAddr base = mmu.window().begin;
};

}  // namespace

TEMPLATE_TEST_CASE("the window is aligned for leaves of 1 GiB", "", Hole, Kept) {
    Machine<TestType> m{{.window_bytes = (std::size_t{1} << 30) + 1}};
    CHECK(m.base.is_aligned(order_1g));
    CHECK(m.mmu.window().pages() == 2 * order_1g.pages());
    m.check_mappings();
}

TEMPLATE_TEST_CASE("memory is one, whichever way it is reached", "", Hole, Kept) {
    Machine<TestType> m;
    REQUIRE(m.map(0, Pfn{105}, 2));
    REQUIRE(m.map(10, Pfn{106}, 1));
    std::strcpy(m.at(1), "three ways");
    CHECK(std::string{m.at(10)} == "three ways");
    CHECK(std::string{reinterpret_cast<char*>(m.arena.address(Pfn{106}))} == "three ways");
}

TEMPLATE_TEST_CASE("without a file each mapping is new memory, of which a child gets a copy", "", Hole,
                   Kept) {
    Arena arena{std::size_t{64} << 20, Pfn{100}, Backing::private_mem};
    HostMmu mmu{arena, Machine<TestType>::in_way({})};
    const VirtAddr first = mmu.window().begin;
    const VirtAddr second = first.plus_pages(8);
    const auto at = [](VirtAddr address) { return static_cast<char*>(HostMmu::pointer(address)); };
    const std::vector<Pfn> frames{Pfn{105}, Pfn{106}, Pfn{110}};
    REQUIRE(mmu.map(first, frames, cpu));
    std::memset(at(first), 'p', 3 * page_size);
    const auto child = test::run_in_child([&] {
        const bool inherited = *at(first) == 'p' && *at(first.plus_pages(2)) == 'p';
        std::memset(at(first), 'c', 3 * page_size);
        if (!inherited) std::abort();
    });
    CHECK(child.signal == 0);
    CHECK(std::count(at(first), at(first.plus_pages(3)), 'p') == 3 * page_size);
    CHECK(mmu.frame_of(first.plus_pages(2)) == Pfn{110});
    // Of the same frames.
    REQUIRE(mmu.map(second, frames, cpu));
    CHECK(std::count(at(second), at(second.plus_pages(3)), 0) == 3 * page_size);
    mmu.unmap(first, 3, cpu);
    mmu.flush(first, first.plus_pages(3), cpu);
    CHECK(test::run_in_child([&] { *static_cast<volatile char*>(at(first)) = 1; }).signal == SIGSEGV);
    CHECK_FALSE(mmu.find_violation());
}

TEMPLATE_TEST_CASE("adjacent frames are mapped by one call, scattered ones by one each", "", Hole, Kept) {
    Machine<TestType> m;
    REQUIRE(m.map(0, Pfn{100}, 256));
    CHECK(m.mmu.stats().map_calls == 1);
    m.check_mappings();
    REQUIRE(m.map(300, Pfn{400}, 50, 2));
    CHECK(m.mmu.stats().map_calls == 51);
    m.check_mappings();
}

TEMPLATE_TEST_CASE("a thousand lazy areas with guard pages between are unmapped by one call", "", Hole,
                   Kept) {
    Machine<TestType> m;
    for (std::uint64_t i = 0; i < 1000; ++i) REQUIRE(m.map(5 * i, Pfn{100 + 4 * i}, 4));
    m.check_mappings();
    m.unmap(0, 5000);
    CHECK(m.mmu.stats().unmap_calls == 0);
    CHECK(m.mmu.stats().mapped_pages == 0);
    m.flush(0, 5000);
    CHECK(m.mmu.stats().unmap_calls == 1);
    CHECK(m.mmu.stats().mappings == 1);
    m.check_mappings();
}

TEMPLATE_TEST_CASE("holes of every kind are counted as the kernel counts them", "", Hole, Kept) {
    Machine<TestType> m;
    REQUIRE(m.map(0, Pfn{100}, 10));  // at the window's begin
    REQUIRE(m.map(10, Pfn{200}, 5));  // beside it, other frames
    m.check_mappings();
    m.unmap(3, 2);
    CHECK(m.mmu.stats().mappings >= m.mappings());
    m.flush(0, 15);
    m.check_mappings();
    m.unmap(8, 4);
    m.flush(0, 15);
    m.check_mappings();
    REQUIRE(m.map(m.mmu.window().pages() - 1, Pfn{300}, 1));  // at its end
    m.check_mappings();
    m.unmap(0, m.mmu.window().pages());
    m.flush(0, m.mmu.window().pages());
    m.check_mappings();
    CHECK(m.mmu.stats().mappings == 1);
}

TEMPLATE_TEST_CASE("only what lies in the range is flushed", "", Hole, Kept) {
    Machine<TestType> m;
    REQUIRE(m.map(0, Pfn{100}, 4));
    REQUIRE(m.map(8, Pfn{110}, 4));
    m.unmap(0, 12);
    m.flush(8, 4);
    CHECK(m.mmu.touch(m.base, cpu));
    CHECK_FALSE(m.mmu.touch(m.base.plus_pages(8), cpu));
    m.flush(0, 4);
    CHECK_FALSE(m.mmu.touch(m.base, cpu));
    m.check_mappings();
}

TEMPLATE_TEST_CASE("an access outside of what is mapped is a real fault", "", Hole, Kept) {
    Machine<TestType> m;
    REQUIRE(m.map(1, Pfn{100}, 1));
    const auto signal_of = [&](std::uint64_t page) {
        return test::run_in_child([&] { *static_cast<volatile char*>(m.at(page)) = 1; }).signal;
    };
    CHECK(signal_of(0) == SIGSEGV);
    CHECK(signal_of(1) == 0);
    CHECK(signal_of(2) == SIGSEGV);
    m.unmap(1, 1);
    m.flush(1, 1);
    CHECK(signal_of(1) == SIGSEGV);
}

TEMPLATE_TEST_CASE("a map that would pass the limit is refused before anything is mapped", "", Hole, Kept) {
    Machine<TestType> m{{.mapping_limit = 9 + Machine<TestType>{}.gaps(2)}};
    REQUIRE(m.map(1, Pfn{100}, 5, 2));
    CHECK(m.mmu.stats().mappings == 5 + m.gaps(2));
    CHECK_FALSE(m.map(20, Pfn{200}, 4, 2));
    CHECK(m.mmu.stats().refused_for_limit == 1);
    CHECK(m.mmu.stats().mapped_pages == 5);
    CHECK_FALSE(m.mmu.frame_of(m.base.plus_pages(20)));
    CHECK(m.map(20, Pfn{200}, 3, 2));
    CHECK(m.mmu.stats().mappings == 8 + m.gaps(3));
    CHECK_FALSE(m.map(30, Pfn{300}, 1));
    m.unmap(20, 3);
    CHECK_FALSE(m.map(30, Pfn{300}, 1));
    m.flush(20, 3);
    CHECK(m.map(30, Pfn{300}, 1));
    m.check_mappings();
}

TEMPLATE_TEST_CASE("the machine's own limit is never met by surprise", "", Hole, Kept) {
    Machine<TestType> m;
    const std::uint64_t limit = m.mmu.stats().mapping_limit;
    CHECK(limit + process_mappings() <= max_process_mappings());
    // Single pages with a guard each, until refused: at most two mappings an area.
    std::uint64_t areas = 0;
    while (areas < limit && m.map(2 * areas, Pfn{100 + areas % 4096}, 1)) ++areas;
    if (areas == limit) return;  // vm.max_map_count is larger than any number of areas that we try
    CHECK(m.mmu.stats().refused_for_limit == 1);
    CHECK(m.mmu.stats().refused_by_kernel == 0);
    CHECK(areas >= limit / 2 - 2);
    CHECK(process_mappings() <= max_process_mappings());
    m.check_mappings();
    m.unmap(0, 2 * areas);
    m.flush(0, 2 * areas);
    m.check_mappings();
}

TEMPLATE_TEST_CASE("a map that the kernel refuses is undone", "", Hole, Kept) {
    Machine<TestType> m;
    REQUIRE(m.map(0, Pfn{100}, 1));
    // A frame before the arena's begin makes an offset that no file has.
    CHECK_FALSE(m.mmu.map(m.base.plus_pages(4), std::vector{Pfn{100}, Pfn{150}, Pfn{0}}, cpu));
    CHECK(m.mmu.stats().refused_by_kernel == 1);
    CHECK(m.mmu.stats().mapped_pages == 1);
    CHECK_FALSE(m.mmu.touch(m.base.plus_pages(4), cpu));
    m.check_mappings();
}

TEMPLATE_TEST_CASE("without populate the first use of a page fills it", "", Hole, Kept) {
    Machine<TestType> m{{.populate = false}};
    REQUIRE(m.map(0, Pfn{100}, 4));
    std::strcpy(m.at(3), "late");
    CHECK(std::string{reinterpret_cast<char*>(m.arena.address(Pfn{103}))} == "late");
}

TEST_CASE("a map that meets somebody else's memory is undone, and spares it") {
    Machine<Hole> m;
    if (m.mmu.way() != HostWindow::Way::hole) {
        WARN("skipped: no hole is to be had here");
        return;
    }
    void* const foreign = mmap(m.at(6), page_size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    REQUIRE(foreign == m.at(6));
    std::strcpy(m.at(6), "foreign");
    // Two runs, of which the second would cover it.
    CHECK_FALSE(m.mmu.map(m.base.plus_pages(4), std::vector{Pfn{200}, Pfn{100}, Pfn{101}, Pfn{102}}, cpu));
    CHECK(m.mmu.stats().refused_by_kernel == 1);
    CHECK(m.mmu.stats().mapped_pages == 0);
    CHECK(m.mmu.stats().mappings == 1);
    CHECK(std::string{m.at(6)} == "foreign");
    CHECK(mappings_in(m.mmu.window()) == 1);
    CHECK(m.broken_law() == "");
    munmap(foreign, page_size);
    CHECK(m.map(4, Pfn{100}, 4));
}

TEST_CASE("a limit that leaves nothing, or a window that nothing holds, is refused") {
    Arena arena{page_size};
    CHECK_THROWS_AS((HostMmu{arena, {.window_bytes = std::size_t{1} << 60}}), UsageError);
    HostMmu none{arena, {.mapping_limit = 0}};
    CHECK_FALSE(none.map(none.window().begin, std::vector{Pfn{0}}, cpu));
}

TEMPLATE_TEST_CASE("claimed pages count as mappings, and are the kernel's once they are filled", "", Hole,
                   Kept) {
    Machine<TestType> m;
    REQUIRE(m.map(13, Pfn{300}, 1));
    REQUIRE(m.mmu.claim(m.base.plus_pages(10), 3));
    CHECK(m.mmu.stats().mappings == 4 + m.gaps(2));
    CHECK(m.mmu.stats().mapped_pages == 1);
    CHECK_FALSE(m.mmu.touch(m.base.plus_pages(11), cpu));
    REQUIRE(m.mmu.fill(m.base.plus_pages(11), Pfn{200}));
    std::strcpy(m.at(11), "filled");
    CHECK(std::string{reinterpret_cast<char*>(m.arena.address(Pfn{200}))} == "filled");
    CHECK(m.mmu.stats().mappings >= m.mappings());
    CHECK(m.broken_law() == "");
    m.unmap(10, 4);
    m.flush(10, 4);
    CHECK(test::run_in_child([&] { *static_cast<volatile char*>(m.at(11)) = 1; }).signal == SIGSEGV);
    m.check_mappings();
}

TEMPLATE_TEST_CASE("a claim that would pass the limit is refused", "", Hole, Kept) {
    Machine<TestType> m{{.mapping_limit = 5}};
    CHECK_FALSE(m.mmu.claim(m.base.plus_pages(1), 4));
    CHECK(m.mmu.stats().refused_for_limit == 1);
    CHECK(m.mmu.claim(m.base.plus_pages(1), 3));
}

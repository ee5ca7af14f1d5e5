#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <cstring>
#include <thread>
#include <vector>

#include "allocators/preload/growing_pages.hpp"

using namespace kmemlab;

namespace {

constexpr CpuId cpu{0};

struct Pages {
    explicit Pages(std::size_t bytes)
        : arena{bytes, Pfn{0}, Backing::private_mem}, pages{arena, cpus, config(), log} {}
    static BuddyConfig config() {
        BuddyConfig config;
        config.layout = "single";
        config.min_free_kbytes = 128;
        return config;
    }
    [[nodiscard]] std::size_t resident() const {
        std::vector<unsigned char> pages_in(arena.frames());
        REQUIRE(mincore(arena.address_at(0), arena.bytes(), pages_in.data()) == 0);
        std::size_t count = 0;
        for (const unsigned char page : pages_in) count += page & 1U;
        return count << page_shift;
    }

    MisuseLog log;
    Arena arena;
    OwnedCpus cpus{4};
    GrowingPages pages;
};

}  // namespace

TEST_CASE("growing pages: nodes are added until the range is used up, and every page is given once") {
    Pages p{256 << 20};
    std::vector<Pfn> taken;
    std::vector<bool> seen(p.arena.frames());
    while (const auto pfn = p.pages.take(Order{10}, GFP_KERNEL, cpu)) {
        REQUIRE(p.arena.contains(*pfn));
        REQUIRE_FALSE(seen[pfn->value()]);
        seen[pfn->value()] = true;
        taken.push_back(*pfn);
    }
    // Four nodes of 64 MiB; each keeps a little for its watermarks.
    CHECK(taken.size() >= 4 * 15);
    CHECK(p.pages.pages_in_use() == taken.size() * 1024);
    CHECK_FALSE(p.pages.find_violation());
    for (const Pfn pfn : taken) p.pages.give(pfn, Order{10}, cpu);
    CHECK(p.pages.pages_in_use() == 0);
    CHECK_FALSE(p.pages.find_violation());
    CHECK(p.pages.take(Order{10}, GFP_KERNEL, cpu));
}

TEST_CASE("growing pages: free pageblocks go back to the system") {
    Pages p{128 << 20};
    std::vector<Pfn> taken;
    for (int i = 0; i < 13; ++i) {
        taken.push_back(p.pages.take(Order{10}, GFP_KERNEL, cpu).value());
        std::memset(p.arena.address(taken.back()), 1, Order{10}.bytes());
    }
    CHECK(p.resident() >= 13 * Order{10}.bytes());
    for (const Pfn pfn : taken) p.pages.give(pfn, Order{10}, cpu);
    // Every 16 MiB given back start it, the rest waits for trim().
    CHECK(p.resident() < 13 * Order{10}.bytes());
    p.pages.drain_cpu(cpu);
    CHECK(p.pages.trim(cpu) > 0);
    CHECK(p.resident() < Order{10}.bytes());
    CHECK(p.pages.trim(cpu) == 0);
    CHECK_FALSE(p.pages.find_violation());
}

TEST_CASE("growing pages: what is noted of a frame is forgotten when it is given back") {
    Pages p{64 << 20};
    const Pfn pfn = p.pages.take(Order{2}, GFP_KERNEL, cpu).value();
    for (unsigned i = 0; i < 4; ++i) p.pages.notes().data()[pfn.value() + i] = 7;
    p.pages.notes().data()[pfn.value() + 4] = 9;
    p.pages.give(pfn, Order{2}, cpu);
    for (unsigned i = 0; i < 4; ++i) CHECK(p.pages.notes().data()[pfn.value() + i] == 0);
    CHECK(p.pages.notes().data()[pfn.value() + 4] == 9);
}

TEST_CASE("growing pages: a range of less than a node is refused") {
    CHECK_THROWS_AS(Pages{32 << 20}, UsageError);
}

TEST_CASE("growing pages: threads grow it and trim it beside each other") {
    Pages p{512 << 20};
    std::vector<std::thread> crew;
    for (unsigned t = 0; t < 4; ++t) {
        crew.emplace_back([&, t] {
            std::vector<Pfn> mine;
            for (unsigned i = 0; i < 60; ++i) {
                mine.push_back(p.pages.take(Order{9}, GFP_KERNEL, CpuId{t}).value());
                std::memset(p.arena.address(mine.back()), static_cast<int>(t + 1), page_size);
                if (i % 3 != 0) continue;
                const auto* const bytes =
                    reinterpret_cast<const unsigned char*>(p.arena.address(mine.front()));
                if (bytes[0] != t + 1 || bytes[page_size - 1] != t + 1) std::abort();
                p.pages.give(mine.front(), Order{9}, CpuId{t});
                mine.erase(mine.begin());
            }
            for (const Pfn pfn : mine) p.pages.give(pfn, Order{9}, CpuId{t});
        });
    }
    for (std::thread& thread : crew) thread.join();
    CHECK(p.pages.pages_in_use() == 0);
    CHECK_FALSE(p.pages.find_violation());
}

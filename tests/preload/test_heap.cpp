#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include "allocators/preload/malloc.hpp"
#include "tests/support/child.hpp"

using namespace kmemlab;

namespace {

std::uintptr_t address(const void* p) {
    return reinterpret_cast<std::uintptr_t>(p);
}

template <class Config = SlobModel::Config>
Config small_machine() {
    Config config;
    config.machine.arena = std::size_t{128} << 20;
    return config;
}

bool faults(void* p) {
    return test::run_in_child([p] { *static_cast<volatile char*>(p) = 1; }).signal == SIGSEGV;
}

}  // namespace

TEST_CASE("slob's objects for malloc are aligned to 16 and leave no gaps that nothing fits in") {
    preload::SlobHeap heap{small_machine()};
    constexpr std::size_t size = 40;
    constexpr std::size_t count = 20000;
    std::vector<void*> objects;
    std::set<std::uintptr_t> pages;
    for (std::size_t i = 0; i < count; ++i) {
        void* const p = heap.allocate(size, 0, CpuId{0});
        REQUIRE(p != nullptr);
        REQUIRE(address(p) % 16 == 0);
        REQUIRE(heap.usable_size(p) >= size);
        std::memset(p, static_cast<int>(i % 251 + 1), heap.usable_size(p));
        objects.push_back(p);
        pages.insert(address(p) / page_size);
    }
    // A header and 8 bytes more for each.
    CHECK(pages.size() <= count * (size + 16) / page_size * 11 / 10);
    CHECK_FALSE(heap.find_violation());
    for (std::size_t i = 0; i < count; ++i) {
        const auto* const bytes = static_cast<const unsigned char*>(objects[i]);
        for (std::size_t b = 0; b < size; ++b) REQUIRE(bytes[b] == i % 251 + 1);
        heap.deallocate(objects[i], CpuId{0});
    }
    CHECK_FALSE(heap.find_violation());
}

TEST_CASE("slob serves each size and alignment up to a block of pages") {
    preload::SlobHeap heap{small_machine()};
    std::vector<void*> objects;
    for (std::size_t size = 0; size <= 4200; ++size) {
        for (const std::size_t align : {std::size_t{0}, std::size_t{16}, std::size_t{256}}) {
            void* const p = heap.allocate(size, align, CpuId{0});
            REQUIRE(p != nullptr);
            const std::size_t least = size < 16 ? 8 : 16;
            REQUIRE(address(p) % std::max(align, least) == 0);
            REQUIRE(heap.usable_size(p) >= size);
            std::memset(p, 0xff, size);
            objects.push_back(p);
        }
        if (size % 100 == 0) REQUIRE_FALSE(heap.find_violation());
        while (objects.size() > 50) {
            heap.deallocate(objects.back(), CpuId{0});
            objects.pop_back();
        }
    }
    for (void* const p : objects) heap.deallocate(p, CpuId{0});
    CHECK_FALSE(heap.find_violation());
}

TEST_CASE("each object of vmalloc is an area with a page behind it that faults") {
    auto config = small_machine<HeapOfAreas::Config>();
    config.vmalloc.huge = GENERATE(false, true);
    HeapOfAreas heap{config};
    std::set<std::uintptr_t> begins;
    std::vector<void*> objects;
    for (const std::size_t size : {0UL, 1UL, 100UL, 4096UL, 4097UL, 100000UL, 2UL << 20, 4UL << 20}) {
        for (const std::size_t align : {0UL, 16UL, 4096UL, 65536UL, 4UL << 20}) {
            auto* const p = static_cast<unsigned char*>(heap.allocate(size, align, CpuId{0}));
            REQUIRE(p != nullptr);
            objects.push_back(p);
            REQUIRE(address(p) % std::max(align, page_size) == 0);
            REQUIRE(heap.contains(p));
            const std::size_t usable = heap.usable_size(p);
            REQUIRE(usable >= size);
            REQUIRE(usable < std::max<std::size_t>(size, 1) +
                                 (size < 2UL << 20 || !config.vmalloc.huge ? page_size : order_2m.bytes()));
            REQUIRE(std::all_of(p, p + usable, [](unsigned char byte) { return byte == 0; }));
            std::memset(p, 0xff, usable);
            begins.insert(address(p));
        }
        REQUIRE(faults(static_cast<std::byte*>(objects.back()) + heap.usable_size(objects.back())));
    }
    CHECK(begins.size() == objects.size());
    CHECK_FALSE(heap.find_violation());
    for (void* const p : objects) heap.deallocate(p, CpuId{0});
    CHECK(heap.trim(CpuId{0}) > 0);
    CHECK(std::all_of(objects.begin(), objects.end(), faults));
    CHECK_FALSE(heap.find_violation());
}

TEST_CASE("when mappings are used up, vmalloc's objects are blocks of pages") {
    auto config = small_machine<HeapOfAreas::Config>();
    config.mmu.mapping_limit = 100;
    HeapOfAreas heap{config};
    std::vector<void*> objects;
    for (std::size_t i = 0; i < 400; ++i) {
        const std::size_t size = i % 7 * 1000 + 1;
        objects.push_back(heap.allocate(size, 0, CpuId{0}));
        REQUIRE(objects.back() != nullptr);
        REQUIRE(heap.contains(objects.back()));
        REQUIRE(heap.usable_size(objects.back()) >= size);
        std::memset(objects.back(), static_cast<int>(i % 251), heap.usable_size(objects.back()));
    }
    CHECK_FALSE(heap.find_violation());
    CHECK(heap.snapshot().front().name == "mappings");
    for (std::size_t i = 0; i < objects.size(); ++i) {
        const auto* const bytes = static_cast<const unsigned char*>(objects[i]);
        for (std::size_t b = 0; b < heap.usable_size(bytes); ++b) REQUIRE(bytes[b] == i % 251);
        heap.deallocate(objects[i], CpuId{0});
    }
    CHECK_FALSE(heap.find_violation());
    // They are free again: what is asked for next is an area.
    void* const p = heap.allocate(page_size, 0, CpuId{0});
    CHECK(faults(static_cast<std::byte*>(p) + page_size));
    heap.deallocate(p, CpuId{0});
}

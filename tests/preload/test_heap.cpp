#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include "allocators/preload/malloc.hpp"

using namespace kmemlab;

namespace {

std::uintptr_t address(const void* p) {
    return reinterpret_cast<std::uintptr_t>(p);
}

SlobModel::Config small_machine() {
    SlobModel::Config config;
    config.machine.arena = std::size_t{128} << 20;
    return config;
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

#include <catch2/catch.hpp>

#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include "allocators/preload/own_memory.hpp"

using kmemlab::OwnMemory;

namespace {

/// As large as its table of chunks: not for the stack.
OwnMemory& fresh() {
    static std::vector<std::unique_ptr<OwnMemory>> all;
    return *all.emplace_back(std::make_unique<OwnMemory>());
}

}  // namespace

TEST_CASE("own memory: blocks of any size and alignment do not overlap") {
    OwnMemory& own = fresh();
    struct Block {
        unsigned char* p;
        std::size_t size;
    };
    std::vector<Block> blocks;
    for (std::size_t i = 0; i < 2000; ++i) {
        const std::size_t size = i * 37 % 5000 + 1;
        const std::size_t align = std::size_t{1} << (i % 13);
        auto* const p = static_cast<unsigned char*>(own.allocate(size, align));
        REQUIRE(p != nullptr);
        REQUIRE(reinterpret_cast<std::uintptr_t>(p) % align == 0);
        REQUIRE(reinterpret_cast<std::uintptr_t>(p) % 16 == 0);
        REQUIRE(own.contains(p));
        REQUIRE(own.usable_size(p) >= size);
        std::memset(p, static_cast<int>(i % 251), own.usable_size(p));
        blocks.push_back({p, own.usable_size(p)});
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        for (std::size_t b = 0; b < blocks[i].size; b += 7) REQUIRE(blocks[i].p[b] == i % 251);
    }
}

TEST_CASE("own memory: what was freed is the next of its size") {
    OwnMemory& own = fresh();
    void* const small = own.allocate(100);
    void* const large = own.allocate(3 << 20);
    own.deallocate(small);
    own.deallocate(large);
    CHECK(own.allocate(90) == small);
    CHECK(own.contains(own.allocate(3 << 20)));
    int elsewhere = 0;
    CHECK_FALSE(own.contains(&elsewhere));
}

TEST_CASE("own memory: larger blocks begin at different lines of the cache") {
    OwnMemory& own = fresh();
    std::set<std::uintptr_t> lines;
    for (int i = 0; i < 16; ++i)
        lines.insert(reinterpret_cast<std::uintptr_t>(own.allocate(4096, 64)) % 4096 / 64);
    CHECK(lines.size() == 16);
}

TEST_CASE("own memory: what cannot be is null") {
    OwnMemory& own = fresh();
    CHECK(own.allocate(std::size_t{1} << 36) == nullptr);
    CHECK(own.allocate(SIZE_MAX) == nullptr);
}

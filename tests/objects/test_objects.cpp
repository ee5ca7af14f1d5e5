#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

#include "allocators/objects/debug_bytes.hpp"
#include "allocators/objects/kmalloc_classes.hpp"
#include "allocators/objects/random_order.hpp"
#include "allocators/objects/slabinfo.hpp"

using namespace kmemlab;

TEST_CASE("each size has the smallest class that holds it") {
    for (std::size_t size = 1; size <= kmalloc_max_cache_size; ++size) {
        const std::size_t index = kmalloc_class(size);
        REQUIRE(kmalloc_class_sizes[index] >= size);
        if (index > 0) REQUIRE(kmalloc_class_sizes[index - 1] < size);
    }
}

TEST_CASE("the kind of a kmalloc cache follows the flags, DMA first") {
    CHECK(kmalloc_type(GFP_KERNEL) == KmallocType::normal);
    CHECK(kmalloc_type(GFP_KERNEL_ACCOUNT) == KmallocType::normal);
    CHECK(kmalloc_type(GFP_KERNEL | __GFP_RECLAIMABLE) == KmallocType::reclaimable);
    CHECK(kmalloc_type(GFP_DMA | __GFP_RECLAIMABLE) == KmallocType::dma);
    CHECK(kmalloc_cache_name(KmallocType::normal, 96) == "kmalloc-96");
    CHECK(kmalloc_cache_name(KmallocType::reclaimable, 8192) == "kmalloc-rcl-8k");
    CHECK(kmalloc_cache_name(KmallocType::dma, 1024) == "dma-kmalloc-1k");
}

TEST_CASE("a row of slabinfo is in the kernel's columns") {
    SlabinfoRow row{.name = "dentry", .active_objects = 1200, .objects = 1218, .size = 192};
    row.objects_per_slab = 21;
    row.pages_per_slab = 1;
    row.active_slabs = row.slabs = 58;
    CHECK(to_string(row) ==
          "dentry              1200   1218    192   21    1 : tunables    0    0    0"
          " : slabdata     58     58      0\n");
    CHECK(slabinfo_header().starts_with("slabinfo - version: 2.1\n"));
}

TEST_CASE("a mismatch is given by its first and last byte") {
    std::vector<std::byte> bytes(40);
    fill(bytes, poison_free);
    CHECK_FALSE(find_mismatch(bytes, poison_free));
    bytes[7] = bytes[31] = std::byte{0};
    const auto wrong = find_mismatch(bytes, poison_free);
    REQUIRE(wrong);
    CHECK(wrong->first == 7);
    CHECK(wrong->last == 31);
    CHECK_FALSE(find_mismatch({}, poison_free));
}

TEST_CASE("a dump has rows of sixteen, the rest filled up") {
    std::vector<std::byte> bytes(20);
    fill(bytes, 'A');
    const std::string text = hex_dump("Object", bytes);
    CHECK(text.find(": 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41  AAAAAAAAAAAAAAAA\nObject   ") !=
          std::string::npos);
    CHECK(text.ends_with(": 41 41 41 41                                      AAAA\n"));
}

TEST_CASE("a random order is a permutation, and a seed's own") {
    for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{21}, std::size_t{512}}) {
        auto order = random_permutation(count, 5);
        CHECK(order == random_permutation(count, 5));
        std::sort(order.begin(), order.end());
        for (std::uint32_t i = 0; i < count; ++i) REQUIRE(order[i] == i);
    }
    CHECK(random_permutation(512, 5) != random_permutation(512, 6));
}

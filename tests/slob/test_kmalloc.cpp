#include <catch2/catch.hpp>

#include <cstring>

#include "tests/slob/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {
constexpr CpuId cpu{0};
}

TEST_CASE("kmalloc(2048) in a new page stands at 2048 and leaves a hole before its header") {
    SlobMachine m;
    void* const p = m.slob.kmalloc(2048, GFP_KERNEL, cpu);
    CHECK(m.offset_in_page(p) == 2048);
    void* const q = m.slob.kmalloc(2032, GFP_KERNEL, cpu);  // fills the hole of 1020 units
    CHECK(m.frame(q) == m.frame(p));
    CHECK(m.offset_in_page(q) == 8);
    CHECK(m.slob.list(SlobList::large).empty());
    CHECK(m.violation() == "");
}

TEST_CASE("every size and alignment is met, down from 4 MiB") {
    SlobMachine m;
    for (std::size_t align = 1; align <= kmalloc_max_size; align *= 2) {
        for (const std::size_t size : {1UL, 65UL, 4087UL, 4088UL, 70000UL}) {
            void* const p = m.slob.allocate({size, GFP_KERNEL | __GFP_ZERO, align, cpu});
            REQUIRE(p != nullptr);
            CHECK(reinterpret_cast<std::uintptr_t>(p) % align == 0);
            CHECK(m.slob.usable_size(p) >= size);
            std::memset(p, 0x5c, m.slob.usable_size(p));
            REQUIRE(m.violation() == "");
            m.slob.deallocate(p, cpu);
        }
    }
    CHECK(m.pages.held_pages() == 0);
    CHECK(m.misuse() == "");
}

TEST_CASE("zeroed memory is zero to its last usable byte") {
    SlobMachine m;
    for (std::size_t size = 1; size < 300; size += 2) {
        auto* const dirty = static_cast<unsigned char*>(m.slob.kmalloc(size, GFP_KERNEL, cpu));
        std::memset(dirty, 0xff, m.slob.ksize(dirty));
        m.slob.kfree(dirty, cpu);
        auto* const p = static_cast<unsigned char*>(m.slob.kmalloc(size, GFP_KERNEL | __GFP_ZERO, cpu));
        for (std::size_t i = 0; i < m.slob.ksize(p); ++i) REQUIRE(p[i] == 0);
    }
}

TEST_CASE("sizes that cannot be are refused without a page taken") {
    SlobMachine m;
    for (const std::size_t size : {kmalloc_max_size + 1, std::size_t{1} << 31, std::size_t{1} << 32,
                                   ~std::size_t{0}, ~std::size_t{0} - 4096}) {
        CHECK(m.slob.kmalloc(size, GFP_KERNEL, cpu) == nullptr);
        CHECK(m.slob.allocate({size, GFP_KERNEL, 64, cpu}) == nullptr);
        CHECK(m.slob.last_path(cpu) == Path::failed);
    }
    CHECK(m.pages.takes() == 0);
}

TEST_CASE("kmalloc(0) is an address that only kfree takes") {
    SlobMachine m;
    void* const p = m.slob.kmalloc(0, GFP_KERNEL, cpu);
    CHECK(p == zero_size_ptr());
    CHECK(m.slob.ksize(p) == 0);
    m.slob.kfree(p, cpu);
    m.slob.kfree(nullptr, cpu);
    CHECK(m.misuse() == "");
}

TEST_CASE("krealloc keeps what fits, moves what does not, and frees at size 0") {
    SlobMachine m;
    auto* p = static_cast<char*>(m.slob.krealloc(nullptr, 19, GFP_KERNEL, cpu));
    std::memcpy(p, "nineteen character", 19);
    CHECK(m.slob.krealloc(p, 20, GFP_KERNEL, cpu) == p);  // ksize is even
    CHECK(m.slob.krealloc(p, 3, GFP_KERNEL, cpu) == p);
    auto* const q = static_cast<char*>(m.slob.krealloc(p, 9000, GFP_KERNEL, cpu));
    REQUIRE(q != p);
    CHECK(std::string{q} == "nineteen character");
    m.pages.fail_after(0);
    CHECK(m.slob.krealloc(q, 100000, GFP_KERNEL, cpu) == nullptr);
    CHECK(std::string{q} == "nineteen character");
    CHECK(m.slob.krealloc(q, 0, GFP_KERNEL, cpu) == zero_size_ptr());
    CHECK(m.pages.held_pages() == 0);
}

TEST_CASE("sizes are rounded up to 8 by kmalloc_size_roundup") {
    SlobMachine m;
    CHECK(m.slob.kmalloc_size_roundup(0) == 0);
    CHECK(m.slob.kmalloc_size_roundup(1) == 8);
    CHECK(m.slob.kmalloc_size_roundup(4089) == 4096);
}

TEST_CASE("kfree_bulk frees objects and blocks") {
    SlobMachine m;
    std::vector<void*> objects;
    for (std::size_t i = 0; i < 300; ++i)
        objects.push_back(m.slob.kmalloc(1 + i * 61 % 12000, GFP_KERNEL, cpu));
    objects.push_back(nullptr);
    objects.push_back(zero_size_ptr());
    CHECK(m.violation() == "");
    m.slob.kfree_bulk(objects, cpu);
    CHECK(m.pages.held_pages() == 0);
    CHECK(m.violation() == "");
}

TEST_CASE("paths and statistics tell what served each operation") {
    SlobMachine m{false, 2};
    void* const p = m.slob.kmalloc(64, GFP_KERNEL, cpu);
    CHECK(m.slob.last_path(cpu) == Path::new_slab);
    void* const q = m.slob.kmalloc(64, GFP_KERNEL, CpuId{1});
    CHECK(m.slob.last_path(CpuId{1}) == Path::node_partial);
    CHECK(m.slob.last_path(CpuId{1}) == Path::fast);  // nothing since
    void* const large = m.slob.kmalloc(9000, GFP_KERNEL, cpu);
    CHECK(m.slob.last_path(cpu) == Path::large);
    const AllocatorStats stats = m.slob.stats();
    CHECK(stats.held_bytes == 5 * page_size);
    CHECK(stats.held_bytes == m.pages.held_pages() * page_size);
    CHECK(stats.allocations[static_cast<std::size_t>(Path::new_slab)] == 1);
    CHECK(stats.allocations[static_cast<std::size_t>(Path::node_partial)] == 1);
    CHECK(stats.allocations[static_cast<std::size_t>(Path::large)] == 1);
    m.slob.kfree(q, cpu);
    CHECK(m.slob.last_path(cpu) == Path::slab);
    m.slob.kfree(p, cpu);
    CHECK(m.slob.last_path(cpu) == Path::discard);
    m.slob.kfree(large, cpu);
    CHECK(m.slob.last_path(cpu) == Path::large);
    CHECK(m.slob.stats().frees[static_cast<std::size_t>(Path::discard)] == 1);
    CHECK(m.slob.stats().held_bytes == 0);
    CHECK(m.slob.lock_acquisitions() == 5);  // one for each object, and one to add the page
    CHECK(m.slob.snapshot().empty());
}

TEST_CASE("the ledger is accounted as metadata, and is a tunable") {
    SlobMachine with{true};
    SlobMachine without{false};
    const auto growth = [](SlobMachine& m) {
        const std::uint64_t before = m.slob.stats().metadata_bytes;
        REQUIRE(m.slob.kmalloc(64, GFP_KERNEL, cpu) != nullptr);
        return m.slob.stats().metadata_bytes - before;
    };
    CHECK(growth(with) > sizeof(LedgerEntry));
    CHECK(growth(without) == 0);
    SlobConfig config{.track = false};
    apply_settings(std::vector<Setting>{parse_setting("slob.track=1")}, config.tunables());
    CHECK(config.track);
}

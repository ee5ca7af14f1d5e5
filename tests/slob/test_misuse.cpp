// What callers may not do, with a ledger and without one; after each the heap keeps every law.
#include <catch2/catch.hpp>

#include <array>
#include <cstring>

#include "tests/slob/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {
constexpr CpuId cpu{0};

struct Misused : SlobMachine {
    using SlobMachine::SlobMachine;
    Slob<OwnedCpus>::Cache& cache = *slob.kmem_cache_create({.name = "used", .size = 104});
    Slob<OwnedCpus>::Cache& large = *slob.kmem_cache_create({.name = "blocks", .size = 8192});
    std::byte* a = static_cast<std::byte*>(slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
    std::byte* b = static_cast<std::byte*>(slob.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
    std::byte* k = static_cast<std::byte*>(slob.kmalloc(100, GFP_KERNEL, cpu));
    std::byte* big = static_cast<std::byte*>(slob.kmalloc(20000, GFP_KERNEL, cpu));
    std::byte* block = static_cast<std::byte*>(slob.kmem_cache_alloc(large, GFP_KERNEL, cpu));
};
}  // namespace

TEST_CASE("misuse is reported by its kind, with a ledger and without, and harms nothing") {
    const bool track = GENERATE(true, false);
    Misused m{track};
    std::array<std::byte, 256> on_stack{};
    m.slob.kfree(on_stack.data() + 64, cpu);
    CHECK(m.misuse() == "foreign pointer");
    m.slob.kmem_cache_free(m.cache, m.arena.address_at(5000), cpu);
    CHECK(m.misuse() == "foreign pointer");
    m.slob.kmem_cache_free(m.cache, m.a + 4, cpu);
    CHECK(m.misuse() == "interior pointer");
    m.slob.kfree(m.k + 4, cpu);
    CHECK(m.misuse() == "interior pointer");
    m.slob.kfree(m.big + page_size, cpu);
    CHECK(m.misuse() == "interior pointer");
    m.slob.kfree(m.block, cpu);
    CHECK(m.misuse() == "wrong cache");
    m.slob.kmem_cache_free(m.large, m.big, cpu);
    CHECK(m.misuse() == "wrong cache");
    m.slob.kmem_cache_free(m.large, m.a, cpu);
    CHECK(m.misuse() == "wrong cache");
    m.slob.kmem_cache_free(m.cache, m.b, cpu);
    m.slob.kmem_cache_free(m.cache, m.b, cpu);
    CHECK(m.misuse() == "double free");
    CHECK(m.cache.live() == 1);
    CHECK(m.violation() == "");
}

TEST_CASE("a freed header that was written over is reported") {
    const bool track = GENERATE(true, false);
    Misused m{track};
    std::memset(m.k - slob_header, 0xff, 4);
    m.slob.kfree(m.k, cpu);
    CHECK(m.misuse() == "overwritten");
}

TEST_CASE("a write into a free block is reported when the block is met, and is no endless walk") {
    const bool track = GENERATE(true, false);
    Misused m{track};
    m.slob.kmem_cache_free(m.cache, m.a, cpu);
    std::memset(m.a, 0, 4);
    CHECK(m.law() == "O7");
    SECTION("by an allocation, which takes another page") {
        void* const p = m.slob.kmem_cache_alloc(m.cache, GFP_KERNEL, cpu);
        CHECK(m.misuse() == "corrupt list");
        CHECK(m.frame(p) != m.frame(m.a));
    }
    SECTION("by a free, which gives nothing back") {
        m.slob.kmem_cache_free(m.cache, m.b, cpu);
        CHECK(m.misuse() == "corrupt list");
        CHECK(m.cache.live() == 1);
    }
}

TEST_CASE("with a ledger each pointer is known for what it is") {
    Misused m{true};
    auto& other = *m.slob.kmem_cache_create({.name = "other", .size = 104});
    m.slob.kmem_cache_free(other, m.a, cpu);  // of the same size: nothing else could tell
    CHECK(m.misuse() == "wrong cache");
    m.slob.kmem_cache_free(m.cache, m.a + 8, cpu);
    CHECK(m.misuse() == "interior pointer");
    m.slob.kfree(m.a, cpu);
    CHECK(m.misuse() == "wrong cache");
    m.slob.kmem_cache_free(m.cache, m.k, cpu);
    CHECK(m.misuse() == "wrong cache");
    m.slob.kfree(m.k + 8, cpu);
    CHECK(m.misuse() == "interior pointer");
    std::memset(m.k - slob_header, 0, 1);
    CHECK(m.law() == "O5");
    m.slob.kfree(m.k, cpu);
    CHECK(m.misuse() == "overwritten");
    std::memset(m.k - slob_header, 100, 1);
    m.slob.kfree(m.k, cpu);
    m.slob.kfree(m.k, cpu);
    CHECK(m.misuse() == "double free");
    CHECK(m.violation() == "");
}

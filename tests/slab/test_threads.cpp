// Real threads, each owning one CPU. Run under ThreadSanitizer to prove C5.
#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "allocators/slab/slab.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr unsigned threads = 4;
constexpr std::size_t object_size = 192;
constexpr unsigned rounds = 20000;

using Machine = Slab<OwnedCpus>;

/// Fills an object with its number, so that whoever frees it can tell that nobody else wrote to it (G4).
void write_pattern(void* p, std::uint64_t number) {
    auto* const words = static_cast<std::uint64_t*>(p);
    for (std::size_t i = 0; i < object_size / sizeof *words; ++i) words[i] = number + i;
}
bool has_pattern(const void* p) {
    const auto* const words = static_cast<const std::uint64_t*>(p);
    for (std::size_t i = 1; i < object_size / sizeof *words; ++i) {
        if (words[i] != words[0] + i) return false;
    }
    return true;
}

/// Objects on their way from one thread to another: a slot holds one or none.
using Mailbox = std::array<std::atomic<void*>, 256>;

struct Fixture {
    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{threads};
    MisuseLog log;
    Machine slab{pages, cpus, {}, log};
    Machine::Cache& cache{*slab.kmem_cache_create({.name = "shared", .size = object_size})};
    std::atomic<std::uint64_t> bad{0};

    template <class Body>
    void run(Body body) {
        std::vector<std::thread> running;
        for (unsigned c = 0; c < threads; ++c) running.emplace_back([&, c] { body(CpuId{c}); });
        for (std::thread& thread : running) thread.join();
    }
    void check_and_free(void* p, CpuId cpu) {
        if (!has_pattern(p)) ++bad;
        slab.kmem_cache_free(cache, p, cpu);
    }
    void finish() {
        CHECK(bad == 0);
        CHECK(cache.live() == 0);
        const auto violation = slab.find_violation();
        CHECK((violation ? violation->message() : "") == "");
        slab.drain(CpuId{0});
        CHECK(pages.held_pages() == 0);
    }
};

std::uint64_t step(std::uint64_t& x) {
    return x ^= x << 13, x ^= x >> 7, x ^= x << 17;
}

}  // namespace

TEST_CASE("threads free what other threads allocated, at random") {
    Fixture f;
    Mailbox mailbox{};
    f.run([&](CpuId cpu) {
        std::uint64_t x = 0x9e3779b97f4a7c15 + cpu.value();
        for (unsigned i = 0; i < rounds; ++i) {
            void* const mine = f.slab.kmem_cache_alloc(f.cache, GFP_KERNEL, cpu);
            if (mine == nullptr) continue;
            write_pattern(mine, step(x));
            void* const old = mailbox[x % mailbox.size()].exchange(mine, std::memory_order_acq_rel);
            if (old != nullptr) f.check_and_free(old, cpu);
        }
    });
    for (auto& slot : mailbox) {
        if (void* const p = slot.exchange(nullptr)) f.check_and_free(p, CpuId{0});
    }
    f.finish();
}

TEST_CASE("producers allocate, consumers free") {
    Fixture f;
    std::array<Mailbox, threads / 2> mailboxes{};
    f.run([&](CpuId cpu) {
        Mailbox& mailbox = mailboxes[cpu.value() / 2];
        std::uint64_t x = cpu.value() + 1;
        const bool produces = cpu.value() % 2 == 0;
        for (unsigned i = 0; i < rounds; ++i) {
            std::atomic<void*>& slot = mailbox[i % mailbox.size()];
            if (produces) {
                while (slot.load(std::memory_order_acquire) != nullptr) std::this_thread::yield();
                void* const p = f.slab.kmem_cache_alloc(f.cache, GFP_KERNEL, cpu);
                write_pattern(p, step(x));
                slot.store(p, std::memory_order_release);
            } else {
                void* p = nullptr;
                while ((p = slot.load(std::memory_order_acquire)) == nullptr) std::this_thread::yield();
                slot.store(nullptr, std::memory_order_relaxed);
                f.check_and_free(p, cpu);
            }
        }
    });
    f.finish();
}

TEST_CASE("threads allocate and free in bulk, and kmalloc of all sizes") {
    Fixture f;
    f.run([&](CpuId cpu) {
        std::uint64_t x = 7 + cpu.value();
        std::vector<void*> objects(40);
        for (unsigned i = 0; i < rounds / 40; ++i) {
            const std::size_t n = 1 + step(x) % objects.size();
            const std::span<void*> some{objects.data(), n};
            if (f.slab.kmem_cache_alloc_bulk(f.cache, GFP_KERNEL, some, cpu) != n) ++f.bad;
            for (void* p : some) write_pattern(p, step(x));
            for (void* p : some) f.bad += has_pattern(p) ? 0U : 1U;
            f.slab.kmem_cache_free_bulk(f.cache, some, cpu);
            void* const p = f.slab.kmalloc(1 + step(x) % 20000, GFP_KERNEL | __GFP_ZERO, cpu);
            f.slab.kfree(p, cpu);
        }
    });
    f.finish();
}

TEST_CASE("threads share a cache whose free indexes lie off the slabs") {
    Fixture f;
    auto& off = *f.slab.kmem_cache_create({.name = "off", .size = 1024, .constructor = [](void*) {}});
    REQUIRE(off.geometry.place == IndexPlace::off_slab);
    Mailbox mailbox{};
    f.run([&](CpuId cpu) {
        std::uint64_t x = 99 + cpu.value();
        for (unsigned i = 0; i < rounds; ++i) {
            void* const mine = f.slab.kmem_cache_alloc(off, GFP_KERNEL, cpu);
            void* const old = mailbox[step(x) % mailbox.size()].exchange(mine, std::memory_order_acq_rel);
            if (old != nullptr) f.slab.kmem_cache_free(off, old, cpu);
        }
    });
    for (auto& slot : mailbox) {
        if (void* const p = slot.exchange(nullptr)) f.slab.kmem_cache_free(off, p, CpuId{0});
    }
    f.finish();
}

TEST_CASE("each CPU's reaper comes by while the others work") {
    Fixture f;
    Mailbox mailbox{};
    f.run([&](CpuId cpu) {
        std::uint64_t x = 5 + cpu.value();
        for (unsigned i = 0; i < rounds; ++i) {
            void* const mine = f.slab.kmem_cache_alloc(f.cache, GFP_KERNEL, cpu);
            write_pattern(mine, step(x));
            void* const old = mailbox[x % mailbox.size()].exchange(mine, std::memory_order_acq_rel);
            if (old != nullptr) f.check_and_free(old, cpu);
            if (i % 500 == 0) f.slab.reap(i, cpu);
        }
    });
    for (auto& slot : mailbox) {
        if (void* const p = slot.exchange(nullptr)) f.check_and_free(p, CpuId{0});
    }
    f.finish();
}

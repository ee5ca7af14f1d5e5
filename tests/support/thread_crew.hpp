/// Real threads, each owning one CPU, on one object allocator, which share a cache of 192-byte objects. Run
/// under ThreadSanitizer these prove C5. Every object is filled with a number, so that whoever frees it can
/// tell that nobody else wrote to it (G4).
#pragma once

#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "allocators/base/misuse.hpp"
#include "allocators/objects/cache.hpp"
#include "tests/support/page_sources.hpp"

namespace kmemlab::test {

inline std::uint64_t step(std::uint64_t& x) {
    return x ^= x << 13, x ^= x >> 7, x ^= x << 17;
}

template <class Objects>
class ThreadCrew {
  public:
    using Cache = typename Objects::Cache;
    static constexpr unsigned threads = 4;
    static constexpr std::size_t object_size = 192;

    template <class Config>
    ThreadCrew(const Config& config, unsigned rounds)
        : rounds_{rounds}, objects_{pages_, cpus_, config, log_} {}

    /// All threads swap objects of `shared` at random places, so that most are freed by others; each calls
    /// `beside(round, cpu)` too.
    template <class Beside>
    void swap_objects(Cache& shared, Beside beside) {
        std::array<std::atomic<void*>, 256> mailbox{};
        run([&](CpuId cpu) {
            std::uint64_t x = 0x9e3779b97f4a7c15 + cpu.value();
            for (unsigned i = 0; i < rounds_; ++i) {
                void* const mine = allocate(shared, step(x), cpu);
                void* const old = mailbox[x % mailbox.size()].exchange(mine, std::memory_order_acq_rel);
                if (old != nullptr) release(shared, old, cpu);
                beside(i, cpu);
            }
        });
        for (auto& slot : mailbox) {
            if (void* const p = slot.exchange(nullptr)) release(shared, p, CpuId{0});
        }
    }
    void swap_objects(Cache& shared) {
        swap_objects(shared, [](unsigned, CpuId) {});
    }

    /// Even threads allocate what odd ones free.
    void produce_and_consume() {
        std::array<std::array<std::atomic<void*>, 256>, threads / 2> mailboxes{};
        run([&](CpuId cpu) {
            auto& mailbox = mailboxes[cpu.value() / 2];
            for (unsigned i = 0; i < rounds_; ++i) {
                std::atomic<void*>& slot = mailbox[i % mailbox.size()];
                const bool produces = cpu.value() % 2 == 0;
                while ((slot.load(std::memory_order_acquire) != nullptr) == produces) {
                    std::this_thread::yield();
                }
                if (produces) {
                    slot.store(allocate(cache_, i, cpu), std::memory_order_release);
                } else {
                    release(cache_, slot.exchange(nullptr, std::memory_order_acq_rel), cpu);
                }
            }
        });
    }

    /// Bulks of the cache, and kmalloc of all sizes.
    void use_bulks_and_kmalloc() {
        run([&](CpuId cpu) {
            std::uint64_t x = 7 + cpu.value();
            std::vector<void*> all(40);
            for (unsigned i = 0; i < rounds_ / all.size(); ++i) {
                const std::span<void*> some{all.data(), 1 + step(x) % all.size()};
                bad_ +=
                    objects_.kmem_cache_alloc_bulk(cache_, GFP_KERNEL, some, cpu) == some.size() ? 0U : 1U;
                for (void* const p : some) write_pattern(p, step(x));
                for (void* const p : some) bad_ += has_pattern(p) ? 0U : 1U;
                objects_.kmem_cache_free_bulk(cache_, some, cpu);
                void* const p = objects_.kmalloc(1 + step(x) % 20000, GFP_KERNEL | __GFP_ZERO, cpu);
                bad_ += objects_.ksize(p) == 0 ? 1U : 0U;
                objects_.kfree(p, cpu);
            }
        });
    }

    /// All threads make a cache, use it and destroy it, time and again: alike, so that they share it at
    /// times.
    void make_and_destroy_caches() {
        run([&](CpuId cpu) {
            for (unsigned i = 0; i < rounds_ / 20; ++i) {
                Cache& own = *objects_.kmem_cache_create({.name = "own", .size = 2 * object_size});
                release(own, allocate(own, i, cpu), cpu);
                bad_ += objects_.kmem_cache_destroy(own, cpu) ? 0U : 1U;
            }
        });
    }

    /// Everything was as it should be, and every page goes back.
    void check_and_drain() {
        CHECK(bad_ == 0);
        CHECK(log_.count() == 0);
        CHECK(cache_.live() == 0);
        const auto violation = objects_.find_violation();
        CHECK((violation ? violation->message() : "") == "");
        objects_.drain(CpuId{0});
        CHECK(pages_.held_pages() == 0);
    }

    [[nodiscard]] Objects& objects() { return objects_; }
    [[nodiscard]] Cache& cache() { return cache_; }

  private:
    template <class Body>
    void run(Body body) {
        std::vector<std::thread> running;
        for (unsigned c = 0; c < threads; ++c) running.emplace_back([&, c] { body(CpuId{c}); });
        for (std::thread& thread : running) thread.join();
    }
    void* allocate(Cache& shared, std::uint64_t number, CpuId cpu) {
        void* const p = objects_.kmem_cache_alloc(shared, GFP_KERNEL, cpu);
        write_pattern(p, number);
        return p;
    }
    void release(Cache& shared, void* p, CpuId cpu) {
        if (!has_pattern(p)) ++bad_;
        objects_.kmem_cache_free(shared, p, cpu);
    }
    static void write_pattern(void* p, std::uint64_t number) {
        auto* const words = static_cast<std::uint64_t*>(p);
        for (std::size_t i = 0; i < object_size / sizeof *words; ++i) words[i] = number + i;
    }
    static bool has_pattern(const void* p) {
        const auto* const words = static_cast<const std::uint64_t*>(p);
        for (std::size_t i = 1; i < object_size / sizeof *words; ++i) {
            if (words[i] != words[0] + i) return false;
        }
        return true;
    }

    unsigned rounds_;
    Arena arena_{std::size_t{64} << 20};
    BumpPages pages_{arena_};
    OwnedCpus cpus_{threads};
    MisuseLog log_;
    Objects objects_;
    Cache& cache_{*objects_.kmem_cache_create({.name = "shared", .size = object_size})};
    std::atomic<std::uint64_t> bad_{0};
};

}  // namespace kmemlab::test

// Real threads, each owning one CPU, over every model that allows it. Under ThreadSanitizer this proves C5.
#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "fuzz/oracle/pattern.hpp"
#include "tests/contract/subject.hpp"
#include "tests/contract/user.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr unsigned rounds = 8000;

/// A block on its way from one thread to another. The pointer to it is published; its fields are not shared.
struct Letter {
    void* p = nullptr;
    std::size_t size = 0;
    std::uint64_t seed = 0;
    Order order;
    Pfn pfn;
};

/// Each slot holds one letter or none.
class Mailbox {
  public:
    /// Puts a letter in and returns the one that was there.
    Letter* exchange(std::uint64_t slot, Letter* letter) {
        return slots_[slot % slots_.size()].exchange(letter, std::memory_order_acq_rel);
    }
    template <class Visit>
    void empty(Visit&& visit) {
        for (auto& slot : slots_) {
            if (Letter* const letter = slot.exchange(nullptr)) visit(letter);
        }
    }

  private:
    std::array<std::atomic<Letter*>, 300> slots_{};
};

/// Each thread makes blocks by `make(letter, random, cpu)` (false: no memory) and swaps them for those of
/// others, which it checks and gives back by `end(letter, cpu)`.
template <class Make, class End>
std::uint64_t swap_blocks(Make make, End end) {
    Mailbox mailbox;
    std::atomic<std::uint64_t> bad{0};
    std::vector<std::vector<Letter>> letters(cpus_of_subjects, std::vector<Letter>(rounds));
    const auto finish = [&](Letter* letter, CpuId cpu) {
        if (!has_pattern(letter->p, letter->size, letter->seed)) ++bad;
        end(*letter, cpu);
    };
    const auto work = [&](CpuId cpu) {
        Random random{fixed_seed + 2 * cpu.value()};
        for (Letter& letter : letters[cpu.value()]) {
            if (!make(letter, random, cpu)) {
                ++bad;
                continue;
            }
            letter.seed = random();
            write_pattern(letter.p, letter.size, letter.seed);
            if (Letter* const other = mailbox.exchange(random(), &letter)) finish(other, cpu);
        }
    };
    std::vector<std::thread> threads;
    for (unsigned cpu = 0; cpu < cpus_of_subjects; ++cpu) threads.emplace_back(work, CpuId{cpu});
    for (std::thread& thread : threads) thread.join();
    mailbox.empty([&](Letter* letter) { finish(letter, CpuId{0}); });
    return bad;
}

constexpr std::uint64_t all_rounds = std::uint64_t{rounds} * cpus_of_subjects;

template <class S>
MaybeViolation threads_swap_blocks(const S& subject) {
    const auto allocator = subject.make(roomy());
    const Balance before = Balance::of(*allocator);
    const auto make = [&](Letter& letter, Random& random, CpuId cpu) {
        const std::size_t size = random.below(50) == 0 ? 1 + random.below(50000) : 1 + random.below(1500);
        const Gfp zero = random.below(4) == 0 ? __GFP_ZERO : Gfp{};
        letter.p = allocator->allocate({.size = size, .gfp = GFP_KERNEL | zero, .cpu = cpu});
        letter.size = size;
        return letter.p != nullptr && (zero == Gfp{} || is_zero(letter.p, size));
    };
    const auto end = [&](const Letter& letter, CpuId cpu) { allocator->deallocate(letter.p, cpu); };
    const std::uint64_t bad = swap_blocks(make, end);
    if (bad != 0) return violation("C1", "{} blocks were missing, dirty or changed", bad);
    if (auto found =
            first_of(allocator->find_violation(), find_miscount(*allocator, all_rounds, all_rounds))) {
        return found;
    }
    allocator->drain(CpuId{0});
    return first_of(allocator->find_violation(), before.find_difference(*allocator));
}

template <class S>
MaybeViolation threads_swap_objects(const S& subject) {
    const auto allocator = subject.make(roomy());
    const Balance before = Balance::of(*allocator);
    constexpr std::size_t size = 232;
    auto& cache = *allocator->kmem_cache_create({.name = "shared", .size = size});
    const auto make = [&](Letter& letter, Random& random, CpuId cpu) {
        letter.size = size;
        letter.p = allocator->kmem_cache_alloc(cache, GFP_KERNEL, cpu);
        if (random.below(10) != 0) return letter.p != nullptr;
        // Now and then a whole bulk comes and goes beside it.
        std::array<void*, 40> objects{};
        if (allocator->kmem_cache_alloc_bulk(cache, GFP_KERNEL, objects, cpu) != objects.size()) return false;
        for (void* const object : objects) write_pattern(object, size, random());
        allocator->kmem_cache_free_bulk(cache, objects, cpu);
        return letter.p != nullptr;
    };
    const auto end = [&](const Letter& letter, CpuId cpu) {
        allocator->kmem_cache_free(cache, letter.p, cpu);
    };
    const std::uint64_t bad = swap_blocks(make, end);
    if (bad != 0) return violation("C1", "{} objects were missing or changed", bad);
    if (auto found = allocator->find_violation()) return found;
    if (!allocator->kmem_cache_destroy(cache, CpuId{0})) return violation("S11", "the cache stays");
    allocator->drain(CpuId{0});
    return first_of(allocator->find_violation(), before.find_difference(*allocator));
}

template <class S>
MaybeViolation threads_swap_pages(const S& subject) {
    const auto allocator = subject.make(roomy());
    const Balance before = Balance::of(*allocator);
    const auto make = [&](Letter& letter, Random& random, CpuId cpu) {
        letter.order = Order{static_cast<unsigned>(std::min(random.below(6), random.below(6)))};
        const Gfp gfp = random.below(2) == 0 ? GFP_KERNEL | __GFP_COMP : GFP_HIGHUSER_MOVABLE;
        const std::optional<Pfn> pfn = allocator->take(letter.order, gfp, cpu);
        if (!pfn) return false;
        letter.pfn = *pfn;
        letter.p = allocator->arena().address(*pfn);
        letter.size = letter.order.bytes();
        return true;
    };
    const auto end = [&](const Letter& letter, CpuId cpu) { allocator->give(letter.pfn, letter.order, cpu); };
    const std::uint64_t bad = swap_blocks(make, end);
    if (bad != 0) return violation("C1", "{} blocks were missing or changed", bad);
    if (auto found = allocator->find_violation()) return found;
    allocator->drain(CpuId{0});
    return first_of(allocator->find_violation(), before.find_difference(*allocator));
}

/// Memory that ends while all threads want it: null is fine, broken lists are not.
template <class S>
MaybeViolation threads_fight_for_the_last(const S& subject) {
    if (!subject.own_memory()) return {};
    const auto allocator = subject.make(tight());
    const Balance before = Balance::of(*allocator);
    std::atomic<std::uint64_t> nulls{0};
    const auto work = [&](CpuId cpu) {
        Random random{fixed_seed - 2 * cpu.value()};
        std::vector<void*> mine;
        for (unsigned i = 0; i < rounds / 2; ++i) {
            void* const p = allocator->allocate({.size = 1 + random.below(20000), .cpu = cpu});
            nulls += p == nullptr ? 1 : 0;
            if (p != nullptr) mine.push_back(p);
            if (p != nullptr && mine.size() < 300) continue;  // far more than there is
            for (int n = 0; n < 2 && !mine.empty(); ++n) {
                std::swap(mine[random.below(mine.size())], mine.back());
                allocator->deallocate(mine.back(), cpu);
                mine.pop_back();
            }
        }
        for (void* const p : mine) allocator->deallocate(p, cpu);
    };
    // Something holds nearly all of the memory, so that any thread runs into its end.
    std::vector<void*> held;
    while (void* const p = allocator->allocate({.size = 4096})) held.push_back(p);
    for (int i = 0; i < 100; ++i) {
        allocator->deallocate(held.back(), CpuId{0});
        held.pop_back();
    }
    std::vector<std::thread> threads;
    for (unsigned cpu = 0; cpu < cpus_of_subjects; ++cpu) threads.emplace_back(work, CpuId{cpu});
    for (std::thread& thread : threads) thread.join();
    for (void* const p : held) allocator->deallocate(p, CpuId{0});
    if (auto found = allocator->find_violation()) return found;
    allocator->drain(CpuId{0});
    if (nulls == 0) return violation("test", "memory never ended");
    return first_of(allocator->find_violation(), before.find_difference(*allocator));
}

template <class Law>
void for_each_thread_safe(Law law) {
    for_each_subject([&]<Allocator A>(const Subject<A>& subject) {
        if (!subject.info.capabilities.thread_safe) return;
        law(subject);
    });
}

}  // namespace

TEST_CASE("threads give back what other threads got, of all sizes") {
    for_each_thread_safe([](const auto& subject) {
        DYNAMIC_SECTION(subject.name) {
            CHECK(text(threads_swap_blocks(subject)) == "");
        }
    });
}
TEST_CASE("threads free objects of a cache that other threads allocated") {
    for_each_thread_safe([]<Allocator A>(const Subject<A>& subject) {
        if constexpr (ObjectCaches<A>) {
            if (!subject.info.capabilities.object_caches) return;
            DYNAMIC_SECTION(subject.name) {
                CHECK(text(threads_swap_objects(subject)) == "");
            }
        }
    });
}
TEST_CASE("threads give pages back that other threads took") {
    for_each_thread_safe([]<Allocator A>(const Subject<A>& subject) {
        if constexpr (PageSource<A>) {
            if (!subject.info.capabilities.pages) return;
            DYNAMIC_SECTION(subject.name) {
                CHECK(text(threads_swap_pages(subject)) == "");
            }
        }
    });
}
TEST_CASE("threads that run out of memory break nothing") {
    for_each_thread_safe([](const auto& subject) {
        DYNAMIC_SECTION(subject.name) {
            CHECK(text(threads_fight_for_the_last(subject)) == "");
        }
    });
}

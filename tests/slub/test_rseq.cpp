// One cache for more threads than CPUs: no object is given to two, none is lost, under signals and migration.
#include <catch2/catch.hpp>

#include <pthread.h>
#include <sched.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "allocators/slub/rseq_cache.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using test::BumpPages;

namespace {

constexpr unsigned threads = 8;
constexpr std::size_t held = 40;
constexpr unsigned rounds = 2'000'000;

/// Behind the free pointer, which is an object's middle: 0 while it is free, else who has it.
std::atomic<std::uint64_t>& owner_of(void* object) {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(object);
}

void clear_owner(void* object) {
    new (object) std::atomic<std::uint64_t>{0};
}

struct Machine {
    explicit Machine(bool fallback)
        : cpus{static_cast<unsigned>(sysconf(_SC_NPROCESSORS_CONF))},
          rseq{cpus.count(), fallback},
          slub{pages, cpus, {}, log},
          cache{*slub.kmem_cache_create({.name = "shared", .size = 64, .constructor = clear_owner})},
          shared{slub, cache, rseq} {}

    Arena arena{64 << 20};
    BumpPages pages{arena};
    OwnedCpus cpus;
    RseqCpus rseq;
    MisuseLog log = MisuseLog::keep_going();
    Slub<OwnedCpus> slub;
    SlubCache<OwnedCpus>& cache;
    RseqCache shared;
};

/// What a thread does: holds some objects, marks each as its own, and counts those that were somebody's
/// already.
template <class Alloc, class Free>
std::uint64_t work(std::uint64_t me, unsigned steps, Alloc alloc, Free free) {
    std::array<void*, held> mine{};
    std::uint64_t wrong = 0;
    std::uint64_t x = me * 0x9e3779b97f4a7c15;
    for (unsigned i = 0; i < steps; ++i) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        void*& place = mine[x % held];
        if (place == nullptr) {
            place = alloc();
            wrong += owner_of(place).exchange(me) != 0;
        } else {
            wrong += owner_of(place).exchange(0) != me;
            free(std::exchange(place, nullptr));
        }
    }
    for (void* const object : mine) {
        if (object == nullptr) continue;
        wrong += owner_of(object).exchange(0) != me;
        free(object);
    }
    return wrong;
}

std::atomic<std::uint64_t> signals{0};

/// SIGALRM as often as the kernel gives it, while it lives.
class SignalStorm {
  public:
    SignalStorm() {
        struct sigaction action {};
        action.sa_handler = [](int) { signals.fetch_add(1, std::memory_order_relaxed); };
        sigaction(SIGPROF, &action, &before_);
        set(20);
    }
    ~SignalStorm() {
        set(0);
        sigaction(SIGPROF, &before_, nullptr);
    }
    SignalStorm(const SignalStorm&) = delete;
    SignalStorm& operator=(const SignalStorm&) = delete;

  private:
    static void set(suseconds_t microseconds) {
        const itimerval timer{{0, microseconds}, {0, microseconds}};
        setitimer(ITIMER_PROF, &timer, nullptr);
    }
    struct sigaction before_ {};
};

void migrate(pthread_t thread, unsigned to) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(to, &set);
    pthread_setaffinity_np(thread, sizeof set, &set);
}

void storm(Machine& machine) {
    std::atomic<std::uint64_t> wrong{0};
    std::atomic<unsigned> running{threads};
    std::vector<std::thread> crew;
    const SignalStorm signal_storm;
    for (unsigned t = 0; t < threads; ++t) {
        crew.emplace_back([&, t] {
            wrong += work(
                t + 1, rounds, [&] { return machine.shared.alloc(GFP_KERNEL); },
                [&](void* object) { machine.shared.free(object); });
            --running;
        });
    }
    // Sent from CPU to CPU, and signalled wherever they are.
    for (unsigned i = 0; running > 0; ++i) {
        migrate(crew[i % threads].native_handle(), i / threads % machine.cpus.count());
        pthread_kill(crew[(i + 3) % threads].native_handle(), SIGPROF);
        std::this_thread::yield();
    }
    for (std::thread& thread : crew) thread.join();
    CHECK(wrong == 0);
    machine.shared.settle();
    CHECK(machine.cache.live() == 0);
    if (const auto found = machine.slub.find_violation()) FAIL_CHECK(found->message());
    machine.slub.drain(CpuId{0});
    CHECK(machine.slub.stats().held_bytes == 0);
    CHECK(machine.log.count() == 0);
}

}  // namespace

TEST_CASE("rseq: threads that run wherever they are put share a cache") {
    Machine machine{false};
    storm(machine);
    if (!machine.rseq.restartable()) WARN("no restartable sequences here: only the fallback was tested");
}

TEST_CASE("rseq: the same without restartable sequences") {
    Machine machine{true};
    CHECK_FALSE(machine.rseq.restartable());
    storm(machine);
}

TEST_CASE("rseq: the fast path is a section where there are sections") {
    Machine machine{false};
    if (!machine.rseq.restartable()) return;
    machine.shared.free(machine.shared.alloc(GFP_KERNEL));
    const std::uint64_t slow = machine.cache.total(SlubEvent::alloc_slowpath);
    for (int i = 0; i < 1000; ++i) machine.shared.free(machine.shared.alloc(GFP_KERNEL));
    machine.shared.settle();
    // A move to another CPU costs a slow one.
    CHECK(machine.cache.total(SlubEvent::alloc_slowpath) - slow <= 10);
    CHECK(machine.cache.total(SlubEvent::alloc_fastpath) >= 990);
}

/// Calls `what` in a thread that stays on one of the machine's CPUs.
template <class What>
void on_one_cpu(What what) {
    std::thread{[&] {
        const auto cpu = static_cast<unsigned>(sched_getcpu());
        migrate(pthread_self(), cpu);
        what(CpuId{cpu});
    }}.join();
}

TEST_CASE("rseq: a locked CPU's list is left alone") {
    Machine machine{false};
    if (!machine.rseq.restartable()) return;
    on_one_cpu([&](CpuId here) {
        constexpr std::size_t stride = PerCpu<CpuSlot>::stride;
        RseqLock* const locks = machine.rseq.locks();
        auto* const heads = reinterpret_cast<std::byte*>(&machine.cache.slots[CpuId{0}].freelist);
        const std::size_t link = machine.cache.free_offset;
        void* const object = machine.shared.alloc(GFP_KERNEL);
        const auto push = [&] { return rseq_push<stride>(RseqCpus::area(), locks, heads, link, object); };
        const auto pop = [&] { return rseq_pop<stride>(RseqCpus::area(), locks, heads, link); };
        CHECK(push());
        CHECK(pop() == object);
        // The list has others, and would take this one.
        CHECK(machine.rseq.lock() == here);
        CHECK(pop() == nullptr);
        CHECK_FALSE(push());
        machine.rseq.unlock(here);
        CHECK(push());
        CHECK(pop() == object);
        machine.shared.free(object);
    });
}

TEST_CASE("rseq: a CPU that somebody has locked is not locked again") {
    const bool fallback = GENERATE(false, true);
    Machine machine{fallback};
    on_one_cpu([&](CpuId here) {
        CHECK(machine.rseq.lock() == here);
        std::atomic<bool> got{false};
        std::thread other{[&] {  // on the same CPU
            const CpuId cpu = machine.rseq.lock();
            got = true;
            machine.rseq.unlock(cpu);
        }};
        for (unsigned i = 0; i < 1000; ++i) sched_yield();
        CHECK_FALSE(got);
        machine.rseq.unlock(here);
        other.join();
        CHECK(got);
        CHECK(machine.rseq.locks()[here.value()].taken == 0);
    });
}

#if !KMEMLAB_RSEQ_HIDDEN
TEST_CASE("rseq: who shares a CPU's list without any protection is found out") {
    // The same oracle, on a list that is changed in plain code: it must see what goes wrong.
    struct Node {
        std::atomic<std::uint64_t> owner{0};
        std::atomic<Node*> next{nullptr};
    };
    std::vector<Node> nodes(threads * held * 2);
    std::deque<Node> more;
    std::mutex more_lock;
    std::atomic<Node*> head{nullptr};
    for (Node& node : nodes) node.next = head.exchange(&node);
    std::atomic<std::uint64_t> wrong{0};
    // Until two of them have run at once.
    for (unsigned attempt = 0; attempt < 1000 && wrong == 0; ++attempt) {
        std::vector<std::thread> crew;
        for (unsigned t = 0; t < threads; ++t) {
            crew.emplace_back([&, t] {
                wrong += work(
                    t + 1, rounds / 10,
                    [&]() -> void* {
                        Node* const node = head.load();
                        if (node == nullptr) {  // all are out, or lost
                            const std::lock_guard guard{more_lock};
                            return &more.emplace_back();
                        }
                        head = node->next.load();
                        return node;
                    },
                    [&](void* object) {
                        auto* const node = static_cast<Node*>(object);
                        node->next = head.load();
                        head = node;
                    });
            });
        }
        for (std::thread& thread : crew) thread.join();
    }
    CHECK(wrong > 0);
}
#endif

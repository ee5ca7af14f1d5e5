#include <catch2/catch.hpp>

#include <csignal>
#include <thread>
#include <utility>
#include <vector>

#include "allocators/machine/cpus.hpp"
#include "tests/support/child.hpp"

using namespace kmemlab;
using Catch::Matchers::Contains;

namespace {

/// Notes every point it is called at.
class NotingSchedule final : public Schedule {
  public:
    void at(Point point, CpuId running) override { points.emplace_back(point, running); }
    std::vector<std::pair<Point, CpuId>> points;
};

}  // namespace

TEST_CASE("a machine has 1 to 256 CPUs") {
    CHECK(OwnedCpus{}.count() == 1);
    CHECK(OwnedCpus{256}.count() == 256);
    CHECK(SimulatedCpus{256}.count() == 256);
    CHECK_THROWS_WITH(OwnedCpus{0}, "cpus: 0 is not between 1 and 256");
    CHECK_THROWS_WITH(OwnedCpus{257}, "cpus: 257 is not between 1 and 256");
    CHECK_THROWS_AS(SimulatedCpus{0}, UsageError);
    CHECK_THROWS_AS(SimulatedCpus{std::uint64_t{1} << 32}, UsageError);
}

TEST_CASE("each CPU's slot has cache lines of its own") {
    PerCpu<char> slots{256};
    CHECK(slots.count() == 256);
    for (CpuId cpu; cpu.value() < 256; ++cpu) {
        const auto address = reinterpret_cast<std::uintptr_t>(&slots[cpu]);
        CHECK(address % cache_line_size == 0);
        CHECK(address - reinterpret_cast<std::uintptr_t>(&slots[CpuId{0}]) >= cpu.value() * cache_line_size);
    }
    CHECK(slots.metadata_bytes() == 256 * cache_line_size);
}

TEST_CASE("slots begin as their type does and are apart") {
    PerCpu<int> slots{3};
    CHECK(slots[CpuId{2}] == 0);
    slots[CpuId{1}] = 5;
    CHECK(slots[CpuId{0}] == 0);
    CHECK(std::as_const(slots)[CpuId{1}] == 5);
}

TEST_CASE("a spin lock counts its acquisitions") {
    SpinLock lock;
    CHECK(lock.acquisitions() == 0);
    for (int i = 0; i < 3; ++i) {
        lock.lock();
        lock.unlock();
    }
    CHECK(lock.acquisitions() == 3);
}

TEST_CASE("a spin lock lets one thread in at a time") {
    constexpr std::uint64_t rounds = 20000;
    SpinLock lock;
    std::uint64_t counter = 0;  // not atomic: two threads inside at once would lose counts
    const auto work = [&] {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            lock.lock();
            counter = counter + 1;
            lock.unlock();
        }
    };
    std::thread one{work};
    std::thread other{work};
    one.join();
    other.join();
    CHECK(counter == 2 * rounds);
    CHECK(lock.acquisitions() == 2 * rounds);
}

TEST_CASE("the only CPU's locks count too, and stop whoever waits for himself") {
    SpinLock lock;
    OwnedCpus one{1};
    for (int i = 0; i < 3; ++i) const LockGuard<OwnedCpus> guard{one, lock, CpuId{0}};
    CHECK(lock.acquisitions() == 3);
    const auto end = test::run_in_child([&] {
        const LockGuard<OwnedCpus> guard{one, lock, CpuId{0}};
        const LockGuard<OwnedCpus> again{one, lock, CpuId{0}};
    });
    CHECK(end.signal == SIGABRT);
    CHECK_THAT(end.errors, Contains("check failed: the only CPU takes a lock that it holds"));
}

TEST_CASE("a simulated lock counts its acquisitions and can be taken again") {
    SimulatedLock lock;
    for (int i = 0; i < 3; ++i) {
        lock.lock();
        lock.unlock();
    }
    CHECK(lock.acquisitions() == 3);
}

TEST_CASE("a simulated CPU that waits for a held lock is stopped") {
    const auto end = test::run_in_child([] {
        SimulatedLock lock;
        lock.lock();
        lock.lock();
    });
    CHECK(end.signal == SIGABRT);
    CHECK_THAT(end.errors, Contains("check failed: a simulated CPU takes a lock that is held"));
}

TEST_CASE("a schedule is told of each point and of the CPU that runs") {
    NotingSchedule schedule;
    SimulatedCpus cpus{4, &schedule};
    cpus.point(Point::shared_word, CpuId{2});
    cpus.point(Point::commit, CpuId{3});
    REQUIRE(schedule.points.size() == 2);
    CHECK(schedule.points[0] == std::pair{Point::shared_word, CpuId{2}});
    CHECK(schedule.points[1] == std::pair{Point::commit, CpuId{3}});
}

TEST_CASE("a schedule can be changed and taken away") {
    NotingSchedule one;
    NotingSchedule other;
    SimulatedCpus cpus{2};
    cpus.point(Point::lock, CpuId{0});
    cpus.follow(&one);
    cpus.point(Point::lock, CpuId{0});
    cpus.follow(&other);
    cpus.point(Point::lock, CpuId{0});
    cpus.follow(nullptr);
    cpus.point(Point::lock, CpuId{0});
    CHECK(one.points.size() == 1);
    CHECK(other.points.size() == 1);
}

TEST_CASE("the schedule strikes before a lock is taken, and the guard lets it go") {
    struct Striking final : Schedule {
        explicit Striking(SimulatedLock& l) : lock{l} {}
        void at(Point point, CpuId) override {
            CHECK(point == Point::lock);
            before = lock.acquisitions();
        }
        SimulatedLock& lock;
        std::uint64_t before = 99;
    };
    SimulatedLock lock;
    Striking schedule{lock};
    SimulatedCpus cpus{2, &schedule};
    {
        const LockGuard guard{cpus, lock, CpuId{0}};
        CHECK(schedule.before == 0);
        CHECK(lock.acquisitions() == 1);
    }
    const LockGuard again{cpus, lock, CpuId{1}};
    CHECK(lock.acquisitions() == 2);
}

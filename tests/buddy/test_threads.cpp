#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include "tests/buddy/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

/// Hands blocks from one thread to another.
class Mailbox {
  public:
    /// The address that was there before, for the caller to free.
    void* exchange(void* p) { return slot_.exchange(p, std::memory_order_acq_rel); }

  private:
    std::atomic<void*> slot_{nullptr};
};

/// A CPU's work: takes single pages, marks them, passes them round; whoever gets one checks the mark.
void work(Buddy<OwnedCpus>& buddy, CpuId cpu, std::array<Mailbox, 16>& boxes, std::atomic<int>& damaged) {
    std::uint64_t seed = 1 + cpu.value();
    for (int i = 0; i < 20000; ++i) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        const Order order{static_cast<unsigned>(seed >> 60) % 3};
        auto* mine = static_cast<std::uint64_t*>(buddy.__get_free_pages(GFP_KERNEL, order, cpu));
        if (mine != nullptr) {
            mine[0] = order.value();
            mine[order.bytes() / 8 - 1] = ~std::uint64_t{order.value()};
        }
        auto* theirs = static_cast<std::uint64_t*>(boxes[(seed >> 40) % boxes.size()].exchange(mine));
        if (theirs == nullptr) continue;
        const Order got{static_cast<unsigned>(theirs[0])};
        if (theirs[got.bytes() / 8 - 1] != ~std::uint64_t{got.value()}) ++damaged;
        buddy.free_pages(theirs, got, cpu);
    }
}

}  // namespace

TEST_CASE("threads that own a CPU each take and free each other's pages") {
    constexpr unsigned count = 4;
    BuddyMachine<> machine{std::size_t{64} << 20, count};
    std::array<Mailbox, 16> boxes;
    std::atomic<int> damaged{0};
    std::vector<std::thread> threads;
    for (unsigned cpu = 0; cpu < count; ++cpu) {
        threads.emplace_back([&, cpu] { work(machine.buddy, CpuId{cpu}, boxes, damaged); });
    }
    for (std::thread& thread : threads) thread.join();
    for (Mailbox& box : boxes) {
        if (auto* left = static_cast<std::uint64_t*>(box.exchange(nullptr))) {
            machine.buddy.free_pages(left, Order{static_cast<unsigned>(left[0])}, cpu0);
        }
    }
    CHECK(damaged == 0);
    CHECK(machine.broken_law() == "");
    machine.buddy.drain(cpu0);
    CHECK(machine.buddy.pages_in_use() == 0);
    CHECK(machine.broken_law() == "");
}

TEST_CASE("whole operations of other CPUs may strike before every lock") {
    struct OtherCpu : Schedule {
        void at(Point, CpuId running) override {
            if (inside || ++points % 3 != 0) return;
            inside = true;
            const CpuId other{(running.value() + 1) % 4};
            if (points % 2 == 0 || held.empty()) {
                if (const auto pfn = buddy->take(Order{points % 5}, GFP_NOWAIT, other))
                    held.emplace_back(*pfn, Order{points % 5});
            } else {
                buddy->give(held.back().first, held.back().second, other);
                held.pop_back();
            }
            inside = false;
        }
        Buddy<SimulatedCpus>* buddy = nullptr;
        bool inside = false;
        unsigned points = 0;
        std::vector<std::pair<Pfn, Order>> held;
    };
    BuddyMachine<SimulatedCpus> machine{std::size_t{16} << 20, 4, BuddyMachine<SimulatedCpus>::single_zone()};
    OtherCpu schedule;
    schedule.buddy = &machine.buddy;
    machine.cpus.follow(&schedule);
    std::vector<std::pair<Pfn, Order>> mine;
    for (unsigned i = 0; i < 4000; ++i) {
        const CpuId cpu{i % 4};
        const Order order{i % 7};
        if (i % 5 < 3) {
            if (const auto pfn = machine.buddy.take(order, GFP_NOWAIT, cpu)) mine.emplace_back(*pfn, order);
        } else if (!mine.empty()) {
            machine.buddy.give(mine.back().first, mine.back().second, cpu);
            mine.pop_back();
        }
        if (i % 100 == 0) REQUIRE(machine.broken_law() == "");
    }
    CHECK(schedule.points > 1000);
    machine.cpus.follow(nullptr);
    for (const auto& [pfn, order] : mine) machine.buddy.give(pfn, order, cpu0);
    for (const auto& [pfn, order] : schedule.held) machine.buddy.give(pfn, order, cpu0);
    machine.buddy.drain(cpu0);
    CHECK(machine.buddy.pages_in_use() == 0);
    CHECK(machine.broken_law() == "");
}

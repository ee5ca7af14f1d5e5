// What it costs that other CPUs may know a translation: unmapping, by pages, while others run in the address
// space.
//
//   host-threadsN   one munmap of so many populated pages; N other threads read memory all the while
//   soft-cpusN      unmap and flush on CPU 0 of N CPUs that all run in the address space: interrupts, pages
//                   flushed one by one, or everything above the ceiling of 33 pages (VM-36)
#include <sys/mman.h>

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <thread>

#include "bench/mapping/works.hpp"
#include "bench/measure/cycle_counter.hpp"
#include "bench/measure/keep.hpp"

namespace kmemlab::mapping {
namespace {

constexpr std::array<std::uint64_t, 8> page_counts{1, 2, 8, 32, 33, 34, 128, 512};
/// Of all rows together at most so many pages are mapped at once.
constexpr std::uint64_t most_mapped_pages = std::uint64_t{1} << 19;
constexpr std::uint64_t most_mappings = 16384;

/// Threads on the CPUs behind the first, which read memory until they are stopped.
class Neighbours {
  public:
    explicit Neighbours(unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            threads_.emplace_back([this, i] {
                pin_thread(static_cast<int>(i) + 1);
                ++running_;
                while (!stop_.load(std::memory_order_relaxed)) forget();
            });
        }
        while (running_ < count) std::this_thread::yield();
    }
    ~Neighbours() {
        stop_ = true;
        for (std::thread& thread : threads_) thread.join();
    }
    Neighbours(const Neighbours&) = delete;
    Neighbours& operator=(const Neighbours&) = delete;

  private:
    std::vector<std::thread> threads_;
    std::atomic<unsigned> running_{0};
    std::atomic<bool> stop_{false};
};

class HostUnmap {
  public:
    HostUnmap(std::uint64_t pages, unsigned threads)
        : arena_{(pages + 1) << page_shift}, pages_{pages}, threads_{threads} {}

    [[nodiscard]] Contest::Units units() const {
        return {.least = 16, .most = std::min(most_mappings, most_mapped_pages / pages_)};
    }
    /// Maps `count` areas, each a mapping of its own, and lets the neighbours in.
    void prepare(std::size_t count) {
        pin_thread(0);
        next_ = 0;
        areas_.clear();
        for (std::size_t i = 0; i < count; ++i) areas_.push_back(map());
        if (threads_ > 0) neighbours_ = std::make_unique<Neighbours>(threads_);
    }
    void run(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) munmap(areas_[next_++], pages_ << page_shift);
    }
    void finish() { neighbours_.reset(); }
    [[nodiscard]] static std::string verify() { return {}; }

  private:
    [[nodiscard]] void* map() const {
        void* const p = mmap(nullptr, pages_ << page_shift, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                             arena_.memfd(), 0);
        if (p == MAP_FAILED) throw UsageError("mapping: the kernel refuses a mapping");
        return p;
    }

    Arena arena_;
    std::uint64_t pages_;
    unsigned threads_;
    std::vector<void*> areas_;
    std::size_t next_ = 0;
    std::unique_ptr<Neighbours> neighbours_;
};

class SoftUnmap {
  public:
    SoftUnmap(const Setup& setup, std::uint64_t pages, unsigned cpus)
        : arena_{pages << page_shift}, mmu_{arena_, {.cpus = cpus, .tlb = setup.tlb}}, cpus_{cpus} {
        for (std::uint64_t i = 0; i < pages; ++i) frames_.push_back(arena_.start() + i);
    }
    void run(std::size_t count) {
        const VirtAddr at = mmu_.window().begin;
        for (std::size_t i = 0; i < count; ++i) {
            if (!mmu_.map(at, frames_, cpu0)) throw UsageError("mapping: no memory for page tables");
            for (unsigned cpu = 0; cpu < cpus_; ++cpu) mmu_.touch(at, CpuId{cpu});
            mmu_.unmap(at, frames_.size(), cpu0);
            mmu_.flush(at, at.plus_pages(frames_.size()), cpu0);
        }
    }
    [[nodiscard]] std::string verify() {
        run(1);
        for (unsigned cpu = 0; cpu < cpus_; ++cpu) {
            if (mmu_.touch(mmu_.window().begin, CpuId{cpu})) return "a translation outlived its flush";
        }
        const auto broken = mmu_.find_violation();
        return broken ? broken->message() : "";
    }
    [[nodiscard]] Counts counts() {
        constexpr std::size_t units = 16;
        const MmuStats before = mmu_.stats();
        const TlbCounts tlb_before = mmu_.tlb_counts();
        run(units);
        const TlbCounts tlb = mmu_.tlb_counts();
        Counts counts = difference(before, mmu_.stats());
        counts.emplace_back("flushed_pages", tlb.flushed_pages - tlb_before.flushed_pages);
        counts.emplace_back("emptied_tlbs", tlb.full_flushes - tlb_before.full_flushes);
        counts.emplace_back("units", units);
        return counts;
    }

  private:
    Arena arena_;
    SoftMmu mmu_;
    unsigned cpus_;
    std::vector<Pfn> frames_;
};

}  // namespace

void add_shootdown(Contests& contests, const Setup& setup) {
    const unsigned online = std::max(1U, std::thread::hardware_concurrency());
    for (const std::uint64_t pages : page_counts) {
        for (unsigned others = 0; setup.host && others < online; others = others == 0 ? 1 : others * 2) {
            add(contests, fmt::format("shootdown/{}/host-threads{}", pages, others),
                [=] { return std::make_unique<HostUnmap>(pages, others); });
        }
        for (const unsigned cpus : setup.cpus) {
            if (!setup.soft) break;
            add(contests, fmt::format("shootdown/{}/soft-cpus{}", pages, cpus),
                [=] { return std::make_unique<SoftUnmap>(setup, pages, cpus); });
        }
    }
}

}  // namespace kmemlab::mapping

/// One thread plays all CPUs: random operations on random CPUs, and at a marked point, with some chance,
/// whole operations on CPUs that are not in the midst of one, at most three deep; before a commit also one of
/// another task on the CPU itself.
#pragma once

#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "allocators/base/misuse.hpp"
#include "allocators/machine/cpus.hpp"
#include "allocators/objects/cache.hpp"
#include "tests/support/page_sources.hpp"

namespace kmemlab::test {

template <class Objects>
class Storm : public Schedule {
  public:
    using Cache = typename Objects::Cache;
    static constexpr unsigned cpu_count = 4;
    static constexpr std::size_t object_size = 512;

    template <class Config>
    Storm(const Config& config, std::uint64_t seed) : objects_{pages_, cpus_, config, log_}, x_{seed} {
        cpus_.follow(this);
    }

    void operate(CpuId cpu) {
        ++busy_[cpu.value()];
        const std::uint64_t choice = draw() % 100;
        if (choice < 46 || live_.empty())
            allocate(cpu);
        else if (choice < 92)
            release(cpu);
        else if (choice < 94)
            objects_.kmem_cache_shrink(cache_, cpu);
        else
            empty_slot(any_cpu(), cpu);
        --busy_[cpu.value()];
    }
    void at(Point point, CpuId running) override {
        ++points_[static_cast<std::size_t>(point)];
        if (depth_ == 3 || draw() % 4 != 0) return;
        const CpuId other = any_cpu();
        const bool preempts = point == Point::commit && other == running;
        if (busy_[other.value()] != 0 && !preempts) return;
        preemptions_ += preempts ? 1U : 0U;
        ++depth_;
        operate(other);
        --depth_;
    }
    /// `operations` of them; the first law found broken, or "". Looks after every eighth.
    [[nodiscard]] std::string rage(unsigned operations) {
        for (unsigned i = 0; i < operations; ++i) {
            operate(any_cpu());
            if (i % 8 != 0) continue;
            if (std::string found = violation(); !found.empty()) return found;
        }
        return "";
    }
    /// Frees and drains everything; the law found broken, or "".
    [[nodiscard]] std::string finish() {
        while (!live_.empty()) release(CpuId{0});
        cpus_.follow(nullptr);
        objects_.drain(CpuId{0});
        return violation();
    }

    [[nodiscard]] std::uint64_t points(Point point) const { return points_[static_cast<std::size_t>(point)]; }
    /// Operations that struck another on the same CPU.
    [[nodiscard]] std::uint64_t preemptions() const { return preemptions_; }
    [[nodiscard]] std::uint64_t held_pages() const { return pages_.held_pages(); }
    [[nodiscard]] std::uint64_t overwritten() const { return overwritten_; }
    /// Of all addresses that were given, in order.
    [[nodiscard]] std::uint64_t hash() const { return hash_; }
    [[nodiscard]] Objects& objects() { return objects_; }
    [[nodiscard]] Cache& cache() { return cache_; }

  private:
    /// Takes away what the CPU `emptied` holds of the cache.
    virtual void empty_slot(CpuId emptied, CpuId cpu) = 0;

    std::uint64_t draw() { return x_ ^= x_ << 13, x_ ^= x_ >> 7, x_ ^= x_ << 17; }
    [[nodiscard]] CpuId any_cpu() { return CpuId{static_cast<unsigned>(draw() % cpu_count)}; }
    [[nodiscard]] std::string violation() const {
        const auto found = objects_.find_violation();
        return found ? found->message() : "";
    }
    void allocate(CpuId cpu) {
        auto* const p = static_cast<std::uint64_t*>(objects_.kmem_cache_alloc(cache_, GFP_KERNEL, cpu));
        if (p == nullptr) return;
        for (std::size_t i = 0; i < object_size / 8; ++i) p[i] = reinterpret_cast<std::uintptr_t>(p);
        hash_ = hash_ * 31 + arena_.offset_of(p);
        live_.push_back(p);
    }
    void release(CpuId cpu) {
        std::swap(live_[draw() % live_.size()], live_.back());
        std::uint64_t* const p = live_.back();
        live_.pop_back();
        for (std::size_t i = 0; i < object_size / 8; ++i) {
            if (p[i] != reinterpret_cast<std::uintptr_t>(p)) ++overwritten_;
        }
        objects_.kmem_cache_free(cache_, p, cpu);
    }

    Arena arena_{std::size_t{32} << 20};
    BumpPages pages_{arena_};
    SimulatedCpus cpus_{cpu_count};
    MisuseLog log_;
    Objects objects_;
    Cache& cache_{*objects_.kmem_cache_create({.name = "storm", .size = object_size})};
    std::vector<std::uint64_t*> live_;
    std::array<unsigned, cpu_count> busy_{};
    std::array<std::uint64_t, 3> points_{};
    std::uint64_t preemptions_ = 0;
    int depth_ = 0;
    std::uint64_t overwritten_ = 0;
    std::uint64_t hash_ = 0;
    std::uint64_t x_;
};

/// The same seed gives the same addresses in the same order, another seed others.
template <class AnyStorm>
void check_repeats() {
    const auto hash = [](std::uint64_t seed) {
        AnyStorm storm{seed};
        CHECK(storm.rage(2000) == "");
        return storm.hash();
    };
    CHECK(hash(12345) == hash(12345));
    CHECK(hash(12345) != hash(54321));
}

}  // namespace kmemlab::test

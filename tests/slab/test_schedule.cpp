// One thread plays all CPUs; a schedule runs operations of other CPUs at marked points.
#include <catch2/catch.hpp>

#include <vector>

#include "allocators/slab/slab.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr unsigned cpu_count = 4;
constexpr std::size_t object_size = 512;
using Machine = Slab<SimulatedCpus>;

/// Random operations on random CPUs; at a marked point, with some chance, whole operations on CPUs that are
/// not in the midst of one, at most three deep.
class Storm final : public Schedule {
  public:
    explicit Storm(std::uint64_t seed) : x_{seed} { cpus_.follow(this); }

    void operate(CpuId cpu) {
        busy_[cpu.value()] = true;
        const std::uint64_t choice = draw() % 100;
        if (choice < 46 || live_.empty())
            allocate(cpu);
        else if (choice < 92)
            release(cpu);
        else if (choice < 95)
            slab_.kmem_cache_shrink(cache_, cpu);
        else
            slab_.drain_cpu(cache_, CpuId{static_cast<unsigned>(draw() % cpu_count)}, cpu);
        busy_[cpu.value()] = false;
    }

    void at(Point point, CpuId) override {
        ++points_[static_cast<std::size_t>(point)];
        if (depth_ == 3 || draw() % 4 != 0) return;
        const CpuId other{static_cast<unsigned>(draw() % cpu_count)};
        if (busy_[other.value()]) return;
        ++depth_;
        operate(other);
        --depth_;
        for (unsigned c = 0; c < cpu_count; ++c) put_off_ += cache_.arrays[CpuId{c}].drain_pending ? 1U : 0U;
    }

    [[nodiscard]] std::string violation() const {
        const auto found = slab_.find_violation();
        return found ? found->message() : "";
    }
    void finish() {
        while (!live_.empty()) release(CpuId{0});
        cpus_.follow(nullptr);
        slab_.drain(CpuId{0});
    }
    [[nodiscard]] CpuId any_cpu() { return CpuId{static_cast<unsigned>(draw() % cpu_count)}; }
    [[nodiscard]] std::uint64_t points(Point point) const { return points_[static_cast<std::size_t>(point)]; }
    [[nodiscard]] std::uint64_t held_pages() const { return pages_.held_pages(); }
    [[nodiscard]] std::uint64_t drains_put_off() const { return put_off_; }
    [[nodiscard]] std::uint64_t overwritten() const { return overwritten_; }
    [[nodiscard]] std::uint64_t hash() const { return hash_; }

  private:
    std::uint64_t draw() { return x_ ^= x_ << 13, x_ ^= x_ >> 7, x_ ^= x_ << 17; }

    void allocate(CpuId cpu) {
        auto* const p = static_cast<std::uint64_t*>(slab_.kmem_cache_alloc(cache_, GFP_KERNEL, cpu));
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
        slab_.kmem_cache_free(cache_, p, cpu);
    }

    Arena arena_{std::size_t{32} << 20};
    BumpPages pages_{arena_};
    SimulatedCpus cpus_{cpu_count};
    MisuseLog log_;
    Machine slab_{pages_, cpus_, {.limit = 8, .shared = "2"}, log_};  // small: often empty or full
    Machine::Cache& cache_{*slab_.kmem_cache_create({.name = "storm", .size = object_size})};
    std::vector<std::uint64_t*> live_;
    std::array<bool, cpu_count> busy_{};
    std::array<std::uint64_t, 3> points_{};
    int depth_ = 0;
    std::uint64_t put_off_ = 0;
    std::uint64_t overwritten_ = 0;
    std::uint64_t hash_ = 0;
    std::uint64_t x_;
};

}  // namespace

TEST_CASE("no law breaks whatever other CPUs do at marked points") {
    for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
        Storm storm{0x9e3779b97f4a7c15 * seed};
        INFO("seed " << seed);
        for (int i = 0; i < 6000; ++i) {
            storm.operate(storm.any_cpu());
            if (i % 8 == 0) REQUIRE(storm.violation() == "");
        }
        CHECK(storm.overwritten() == 0);
        CHECK(storm.points(Point::lock) > 1000);
        CHECK(storm.drains_put_off() > 0);  // the wait that SlowSection is there for did happen
        storm.finish();
        CHECK(storm.violation() == "");
        CHECK(storm.held_pages() == 0);
    }
}

TEST_CASE("the same seed gives the same addresses in the same order") {
    const auto hash = [](std::uint64_t seed) {
        Storm storm{seed};
        for (int i = 0; i < 2000; ++i) storm.operate(storm.any_cpu());
        return storm.hash();
    };
    CHECK(hash(12345) == hash(12345));
    CHECK(hash(12345) != hash(54321));
}

// One thread plays all CPUs; a schedule runs operations of other CPUs at marked points.
#include "allocators/slab/slab.hpp"
#include "tests/support/storm.hpp"
#include "tests/support/strike.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

using Machine = Slab<SimulatedCpus>;

class SlabStorm final : public Storm<Machine> {
  public:
    // Small arrays: often empty or full.
    explicit SlabStorm(std::uint64_t seed) : Storm{SlabConfig{.limit = 8, .shared = "2"}, seed} {}

    void at(Point point, CpuId running) override {
        Storm::at(point, running);
        for (CpuId c{0}; c.value() < cpu_count; ++c) put_off_ += cache().arrays[c].drain_pending ? 1U : 0U;
    }
    [[nodiscard]] std::uint64_t drains_put_off() const { return put_off_; }

  private:
    void empty_slot(CpuId emptied, CpuId cpu) override { objects().drain_cpu(cache(), emptied, cpu); }

    std::uint64_t put_off_ = 0;
};

/// Two CPUs and a cache.
struct Strikable {
    explicit Strikable(const SlabConfig& config = {}) : slab{pages, cpus, config, log} {}

    Arena arena{std::size_t{8} << 20};
    BumpPages pages{arena};
    SimulatedCpus cpus{2};
    MisuseLog log;
    Machine slab;
    Machine::Cache& cache{*slab.kmem_cache_create({.name = "struck", .size = 264})};
};

}  // namespace

TEST_CASE("no law breaks whatever other CPUs do at marked points") {
    for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
        SlabStorm storm{0x9e3779b97f4a7c15 * seed};
        INFO("seed " << seed);
        REQUIRE(storm.rage(6000) == "");
        CHECK(storm.overwritten() == 0);
        CHECK(storm.points(Point::lock) > 1000);
        CHECK(storm.drains_put_off() > 0);  // the wait that SlowSection is there for did happen
        CHECK(storm.finish() == "");
        CHECK(storm.held_pages() == 0);
    }
}

TEST_CASE("the same seed gives the same addresses in the same order") {
    check_repeats<SlabStorm>();
}

TEST_CASE("a description that comes while the only like it is destroyed gets a cache of its own") {
    Strikable f;
    f.slab.kmem_cache_free(f.cache, f.slab.kmem_cache_alloc(f.cache, GFP_KERNEL, CpuId{0}), CpuId{0});
    Machine::Cache* late = nullptr;
    StrikeOnce strike{Point::lock, [&] { late = f.slab.kmem_cache_create({.name = "late", .size = 264}); }};
    f.cpus.follow(&strike);
    const auto caches = f.slab.caches().size();
    CHECK(f.slab.kmem_cache_destroy(f.cache, CpuId{0}));
    REQUIRE(late != nullptr);
    CHECK(f.slab.caches().size() == caches);
    REQUIRE(f.slab.caches().back().get() == late);
    CHECK(f.slab.kmem_cache_alloc(*late, GFP_KERNEL, CpuId{1}) != nullptr);
    CHECK(f.slab.find_violation() == std::nullopt);
}

TEST_CASE("caches that are made while the reaper works do not disturb it") {
    Strikable f{{.merge = false}};
    f.slab.kmem_cache_free(f.cache, f.slab.kmem_cache_alloc(f.cache, GFP_KERNEL, CpuId{0}), CpuId{0});
    StrikeOnce strike{Point::lock, [&] {
                          for (int i = 0; i < 100; ++i) {
                              static_cast<void>(f.slab.kmem_cache_create({.name = "late", .size = 264}));
                          }
                      }};
    f.cpus.follow(&strike);
    constexpr Jiffies now = 100 * jiffies_per_second;
    f.slab.reap(now, CpuId{0});
    REQUIRE(strike.struck());
    for (std::size_t i = 0; f.slab.caches()[i].get() != &f.cache; ++i) {
        CHECK(f.slab.caches()[i]->node.next_reap > now);
    }
    CHECK(f.slab.find_violation() == std::nullopt);
}

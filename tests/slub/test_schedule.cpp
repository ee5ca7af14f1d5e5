// One thread plays all CPUs; a schedule runs operations of other CPUs at marked points.
#include "allocators/slub/slub.hpp"
#include "tests/support/storm.hpp"
#include "tests/support/strike.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

using Machine = Slub<SimulatedCpus>;

class SlubStorm final : public Storm<Machine> {
  public:
    explicit SlubStorm(std::uint64_t seed) : Storm{SlubConfig{}, seed} {}

  private:
    void empty_slot(CpuId emptied, CpuId cpu) override { objects().flush_cpu(cache(), emptied, cpu); }
};

/// Two CPUs and a cache.
struct Strikable {
    explicit Strikable(const SlubConfig& config = {}) : slub{pages, cpus, config, log} {}

    Arena arena{std::size_t{8} << 20};
    BumpPages pages{arena};
    SimulatedCpus cpus{2};
    MisuseLog log;
    Machine slub;
    Machine::Cache& cache{*slub.kmem_cache_create({.name = "struck", .size = 264})};
};

}  // namespace

TEST_CASE("no law breaks whatever other CPUs do at marked points") {
    for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
        SlubStorm storm{0x9e3779b97f4a7c15 * seed};
        INFO("seed " << seed);
        REQUIRE(storm.rage(6000) == "");
        CHECK(storm.overwritten() == 0);
        CHECK(storm.points(Point::commit) > 1000);
        CHECK(storm.points(Point::shared_word) > 1000);
        CHECK(storm.points(Point::lock) > 100);
        CHECK(storm.preemptions() > 100);
        // The races that the protocol is there for did happen.
        CHECK(storm.cache().total(SlubEvent::cmpxchg_double_fail) > 0);
        CHECK(storm.cache().total(SlubEvent::cmpxchg_double_cpu_fail) > 0);
        CHECK(storm.finish() == "");
        CHECK(storm.held_pages() == 0);
    }
}

TEST_CASE("the same seed gives the same addresses in the same order") {
    check_repeats<SlubStorm>();
}

TEST_CASE("CPUs that flush at once may each keep an empty slab") {
    Strikable f{{.min_partial = "1"}};
    for (const CpuId c : {CpuId{0}, CpuId{1}}) {
        f.slub.kmem_cache_free(f.cache, f.slub.kmem_cache_alloc(f.cache, GFP_KERNEL, c), c);
    }
    StrikeOnce strike{Point::lock, [&] { f.slub.flush_cpu(f.cache, CpuId{1}, CpuId{1}); }};
    f.cpus.follow(&strike);
    f.slub.flush_cpu(f.cache, CpuId{0}, CpuId{0});
    REQUIRE(strike.struck());
    CHECK(f.cache.nr_partial == 2);
    CHECK(f.slub.find_violation() == std::nullopt);
}

TEST_CASE("a description that comes while the only like it is destroyed gets a cache of its own") {
    Strikable f;
    f.slub.kmem_cache_free(f.cache, f.slub.kmem_cache_alloc(f.cache, GFP_KERNEL, CpuId{0}), CpuId{0});
    Machine::Cache* late = nullptr;
    StrikeOnce strike{Point::lock, [&] { late = f.slub.kmem_cache_create({.name = "late", .size = 264}); }};
    f.cpus.follow(&strike);
    const auto caches = f.slub.caches().size();
    CHECK(f.slub.kmem_cache_destroy(f.cache, CpuId{0}));
    REQUIRE(late != nullptr);
    CHECK(f.slub.caches().size() == caches);
    REQUIRE(f.slub.caches().back().get() == late);
    CHECK(f.slub.kmem_cache_alloc(*late, GFP_KERNEL, CpuId{1}) != nullptr);
    CHECK(f.slub.find_violation() == std::nullopt);
}

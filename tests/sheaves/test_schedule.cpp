// One thread plays all CPUs; a schedule runs operations of other CPUs at marked points.
#include "allocators/sheaves/sheaves.hpp"
#include "tests/sheaves/machine.hpp"
#include "tests/support/storm.hpp"
#include "tests/support/strike.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

class SheavesStorm final : public Storm<Sheaves<SimulatedCpus>> {
  public:
    // Small sheaves and barns: often empty or full.
    explicit SheavesStorm(std::uint64_t seed)
        : Storm{SheavesConfig{.slub = {}, .capacity = 4, .barn_full = 2, .barn_empty = 2}, seed} {}

    void at(Point point, CpuId running) override {
        Storm::at(point, running);
        for (CpuId c{0}; c.value() < cpu_count; ++c) put_off_ += cache().sheaves[c].flush_pending ? 1U : 0U;
    }
    [[nodiscard]] std::uint64_t flushes_put_off() const { return put_off_; }

  private:
    void empty_slot(CpuId emptied, CpuId cpu) override { objects().flush_cpu(cache(), emptied, cpu); }

    std::uint64_t put_off_ = 0;
};

}  // namespace

TEST_CASE("no law breaks whatever other CPUs do at marked points") {
    for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
        SheavesStorm storm{0x9e3779b97f4a7c15 * seed};
        INFO("seed " << seed);
        REQUIRE(storm.rage(6000) == "");
        CHECK(storm.overwritten() == 0);
        CHECK(storm.points(Point::lock) > 1000);
        CHECK(storm.points(Point::shared_word) > 1000);
        CHECK(storm.flushes_put_off() > 0);  // the wait that SlowSection is there for did happen
        CHECK(storm.finish() == "");
        CHECK(storm.held_pages() == 0);
    }
}

TEST_CASE("the same seed gives the same addresses in the same order") {
    check_repeats<SheavesStorm>();
}

TEST_CASE("a description that comes while the only like it is destroyed gets a cache of its own") {
    SheavesMachine<SimulatedCpus> f;
    f.put(f.get(CpuId{0}), CpuId{0});
    Sheaves<SimulatedCpus>::Cache* late = nullptr;
    StrikeOnce strike{Point::lock, [&] { late = f.sheaves.kmem_cache_create({.name = "late", .size = 64}); }};
    f.cpus.follow(&strike);
    CHECK(f.sheaves.kmem_cache_destroy(f.cache, CpuId{0}));
    REQUIRE(late != nullptr);
    REQUIRE(f.sheaves.slabs().caches().back().get() == late);
    CHECK(f.sheaves.kmem_cache_alloc(*late, GFP_KERNEL, CpuId{1}) != nullptr);
    const PathCounts frees = f.sheaves.stats().frees;
    CHECK(frees[static_cast<std::size_t>(Path::fast)] == 1);
    CHECK(f.violation() == "");
}

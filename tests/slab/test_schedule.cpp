// One thread plays all CPUs; a schedule runs operations of other CPUs at marked points.
#include "allocators/slab/slab.hpp"
#include "tests/support/storm.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

class SlabStorm final : public Storm<Slab<SimulatedCpus>> {
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

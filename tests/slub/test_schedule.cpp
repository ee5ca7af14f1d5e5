// One thread plays all CPUs; a schedule runs operations of other CPUs at marked points.
#include "allocators/slub/slub.hpp"
#include "tests/support/storm.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

class SlubStorm final : public Storm<Slub<SimulatedCpus>> {
  public:
    explicit SlubStorm(std::uint64_t seed) : Storm{SlubConfig{}, seed} {}

  private:
    void empty_slot(CpuId emptied, CpuId cpu) override { objects().flush_cpu(cache(), emptied, cpu); }
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

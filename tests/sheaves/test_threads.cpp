// Real threads, each owning one CPU.
#include "allocators/sheaves/sheaves.hpp"
#include "tests/support/thread_crew.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

// Small sheaves and barns: threads meet in the barn and in the slabs all the time.
struct Crew : ThreadCrew<Sheaves<OwnedCpus>> {
    explicit Crew(const SheavesConfig& config = {.slub = {}, .capacity = 4, .barn_full = 2, .barn_empty = 2})
        : ThreadCrew{config, 20000} {}
};

}  // namespace

TEST_CASE("threads free what other threads allocated, at random") {
    Crew crew;
    crew.swap_objects(crew.cache());
    crew.check_and_drain();
}

TEST_CASE("producers allocate, consumers free") {
    Crew crew{SheavesConfig{}};
    crew.produce_and_consume();
    crew.check_and_drain();
}

TEST_CASE("producers and consumers with small sheaves flush and refill") {
    Crew crew;
    crew.produce_and_consume();
    crew.check_and_drain();
}

TEST_CASE("threads allocate and free in bulk, and kmalloc of all sizes") {
    Crew crew;
    crew.use_bulks_and_kmalloc();
    crew.check_and_drain();
}

TEST_CASE("threads make, share and destroy caches") {
    Crew crew;
    crew.make_and_destroy_caches();
    crew.check_and_drain();
}

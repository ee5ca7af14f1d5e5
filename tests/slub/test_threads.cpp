// Real threads, each owning one CPU.
#include "allocators/slub/slub.hpp"
#include "tests/support/thread_crew.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

struct Crew : ThreadCrew<Slub<OwnedCpus>> {
    explicit Crew(unsigned rounds = 20000) : ThreadCrew{SlubConfig{}, rounds} {}
};

}  // namespace

TEST_CASE("threads free what other threads allocated, at random") {
    Crew crew;
    crew.swap_objects(crew.cache());
    crew.check_and_drain();
}

TEST_CASE("producers allocate, consumers free") {
    Crew crew;
    crew.produce_and_consume();
    crew.check_and_drain();
}

TEST_CASE("threads allocate and free in bulk, and kmalloc of all sizes") {
    Crew crew;
    crew.use_bulks_and_kmalloc();
    crew.check_and_drain();
}

TEST_CASE("threads share a cache with all checks on") {
    Crew crew{2000};
    crew.swap_objects(
        *crew.objects().kmem_cache_create({.name = "checked",
                                           .size = Crew::object_size,
                                           .flags = CacheFlags::consistency_checks | CacheFlags::red_zone |
                                                    CacheFlags::poison | CacheFlags::store_user}));
    crew.check_and_drain();
}

TEST_CASE("threads make, share and destroy caches") {
    Crew crew;
    crew.make_and_destroy_caches();
    crew.check_and_drain();
}

// Real threads, each owning one CPU.
#include "allocators/slab/slab.hpp"
#include "tests/support/thread_crew.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

struct Crew : ThreadCrew<Slab<OwnedCpus>> {
    Crew() : ThreadCrew{SlabConfig{}, 20000} {}
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

TEST_CASE("threads share a cache whose free indexes lie off the slabs") {
    Crew crew;
    auto& off = *crew.objects().kmem_cache_create({.name = "off", .size = 1024, .constructor = [](void*) {}});
    REQUIRE(off.geometry.place == IndexPlace::off_slab);
    crew.swap_objects(off);
    crew.check_and_drain();
}

TEST_CASE("each CPU's reaper comes by while the others work and make caches") {
    Crew crew;
    crew.swap_objects(crew.cache(), [&](unsigned round, CpuId cpu) {
        if (round % 500 == 0) crew.objects().reap(round, cpu);
        if (round % 500 == 250) {
            static_cast<void>(crew.objects().kmem_cache_create({.name = "late", .size = 64 + round % 32}));
        }
    });
    crew.check_and_drain();
}

TEST_CASE("threads make, share and destroy caches") {
    Crew crew;
    crew.make_and_destroy_caches();
    crew.check_and_drain();
}

// Real threads, each owning one CPU, and one lock between them.
#include "allocators/slob/slob.hpp"
#include "tests/support/thread_crew.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

struct Crew : ThreadCrew<Slob<OwnedCpus>> {
    explicit Crew(bool track) : ThreadCrew{SlobConfig{.track = track}, 5000} {}
};

}  // namespace

TEST_CASE("threads free what other threads allocated, at random") {
    Crew crew{GENERATE(true, false)};
    crew.swap_objects(crew.cache());
    crew.check_and_drain();
}

TEST_CASE("threads allocate and free in bulk, and kmalloc of all sizes") {
    Crew crew{true};
    crew.use_bulks_and_kmalloc();
    crew.check_and_drain();
}

// Every model that has object caches, as its own type and erased, is held to the laws of ObjectCaches.
#include <catch2/catch.hpp>

#include "tests/contract/cache_laws.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

/// As KMEMLAB_HOLDS, for subjects that have caches.
template <class Law>
void for_each_with_caches(Law law) {
    for_each_subject([&]<Allocator A>(const Subject<A>& subject) {
        if constexpr (ObjectCaches<A>) {
            if (!subject.info.capabilities.object_caches) return;
            DYNAMIC_SECTION(subject.name) {
                CHECK(text(law(subject)) == "");
            }
        }
    });
}

}  // namespace

TEST_CASE("objects of caches of every shape are apart, aligned and keep their content") {
    for_each_with_caches([](const auto& subject) { return caches_of_all_shapes(subject); });
}
TEST_CASE("a cache for objects larger than any slab is refused") {
    for_each_with_caches([](const auto& subject) { return refuses_giant_objects(subject); });
}
TEST_CASE("a bulk allocation gets all of its objects or none") {
    for_each_with_caches([](const auto& subject) { return bulk_is_all_or_nothing(subject); });
}
TEST_CASE("a shrunk cache keeps slabs only for live objects") {
    for_each_with_caches([](const auto& subject) { return shrinks(subject); });
}
TEST_CASE("each object allocated and freed is counted once") {
    for_each_with_caches([](const auto& subject) { return counts_objects(subject); });
}
TEST_CASE("an object is constructed once and stays so over frees") {
    for_each_with_caches([](const auto& subject) { return constructs_once(subject); });
}

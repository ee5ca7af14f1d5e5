// Every model of the registry, as its own type and erased, is held to the laws of Allocator.
#include <catch2/catch.hpp>

#include "tests/contract/allocator_laws.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

TEST_CASE("blocks of every size are apart, large enough and keep their content") {
    KMEMLAB_HOLDS(serves_all_sizes);
}
TEST_CASE("sizes at which arithmetic overflows get null or enough") {
    KMEMLAB_HOLDS(survives_absurd_sizes);
}
TEST_CASE("null and blocks of 0 bytes can be given back") {
    KMEMLAB_HOLDS(takes_back_nothing);
}
TEST_CASE("blocks are aligned as asked") {
    KMEMLAB_HOLDS(aligns);
}
TEST_CASE("blocks asked for with __GFP_ZERO are zero after dirty use") {
    KMEMLAB_HOLDS(zeroes_what_was_dirty);
}
TEST_CASE("memory ends only when it is used up, and all of it comes back") {
    KMEMLAB_HOLDS(fills_and_empties);
}
TEST_CASE("the largest block can be had again after memory was in pieces") {
    KMEMLAB_HOLDS(gives_the_largest_again);
}
TEST_CASE("memory that was full of blocks of every kind is as new when they are back") {
    KMEMLAB_HOLDS(is_as_new_when_empty);
}
TEST_CASE("random operations on four CPUs break no law and leave nothing behind") {
    KMEMLAB_HOLDS(survives_churn);
}
TEST_CASE("requests that failed are counted as failed") {
    KMEMLAB_HOLDS(counts_failures);
}
TEST_CASE("a path is told once, to the CPU that went it") {
    KMEMLAB_HOLDS(tells_the_last_path);
}
TEST_CASE("a snapshot is a list of named texts") {
    KMEMLAB_HOLDS(shows_texts);
}
TEST_CASE("a deterministic model repeats itself") {
    KMEMLAB_HOLDS(repeats_itself);
}

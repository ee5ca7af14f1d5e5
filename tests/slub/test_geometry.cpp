#include <catch2/catch.hpp>

#include "allocators/objects/kmalloc_classes.hpp"
#include "allocators/slub/geometry.hpp"

using namespace kmemlab;

TEST_CASE("a cache that no slab can hold has no geometry") {
    CHECK_FALSE(slub_geometry({.size = 0}, {}));
    CHECK_FALSE(slub_geometry({.size = kmalloc_max_size + 1}, {}));
    CHECK(slub_geometry({.size = kmalloc_max_size}, {})->objects == 1);
}

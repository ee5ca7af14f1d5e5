// M1: no area of 2109441 bytes aligned to 4096, but pages and addresses were there. A false alarm: the array
// of the frames is asked for as the frames are, and may not wait either.
#include "tests/fuzz/program_test.hpp"

TEST_CASE("a large area that may not wait has no array from what only those who wait may take") {
    kmemlab::test::check_program("vmalloc", 0x711dc848f8428f91, R"(
target vmalloc start=1 layout=4 mmu.levels=5 vmalloc.lazy=0
area_huge slot=0 size=1
release slot=0
area_huge slot=0 size=12289 gfp=nowait
)");
}

// G11: 0 reports of double free. A false alarm: dma-kmalloc-64 is not debugged if kmalloc-64 is.
#include "tests/fuzz/program_test.hpp"

TEST_CASE("slub.debug of one kmalloc cache is not asked of those of other types") {
    kmemlab::test::check_program("slub", 0x88836e286a245a77, R"(
target slub slub.debug=FZPU,kmalloc-64
alloc slot=0 size=33 gfp=dma
misuse_twice slot=0
)");
}

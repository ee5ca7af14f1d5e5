// B7: Normal: HIGHATOMIC pageblocks hold 0 pages, counted 32
#include "tests/fuzz/program_test.hpp"

TEST_CASE("buddy keeps B7 in program a9da67447c1ad2e5") {
    kmemlab::test::check_program("buddy", 0xa9da67447c1ad2e5, R"(
target buddy layout=3 zone.pageblock_order=5
pages_fill slot=0
release slot=0
pages_fill slot=0 count=1 gfp=atomic
release slot=0
unreserve
pages slot=0 count=8
)");
}

// O4: an object in a page of another class was taken for O5. A false alarm: 247 bytes and their header are of
// the small class, the 256 that they take would be of the next.
#include "tests/fuzz/program_test.hpp"

TEST_CASE("a damaged size of 247 bytes is of another class than its page") {
    kmemlab::test::check_program("slob", 0x3b282856f07d4203, R"(
target slob slob.track=1
alloc slot=0 size=247
damage slot=0 size=0 count=97
)");
}

// Distributions of the depths of stacks: read, and dealt out to tasks.
#include <catch2/catch.hpp>

#include <map>
#include <sstream>

#include "allocators/base/check.hpp"
#include "bench/stacks/depths.hpp"
#include "tests/support/shell.hpp"

using namespace kmemlab;
using namespace kmemlab::stacks;

namespace {

Depths parsed(const std::string& text) {
    std::istringstream stream{text};
    return Depths::parse(stream, "depths");
}

}  // namespace

TEST_CASE("the default deals out the published histogram, exactly and mixed") {
    const Depths depths;
    REQUIRE(depths.tasks() == 11825);
    for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{777}}) {
        std::map<std::size_t, std::uint64_t> tasks;
        std::uint64_t beyond_a_page_early = 0;
        for (std::uint64_t i = first; i < first + depths.tasks(); ++i) {
            const std::size_t depth = depths.of_task(i);
            for (const std::size_t bound : {1024U, 2048U, 4096U, 8192U, 16384U}) {
                if (depth > bound) continue;
                ++tasks[bound];
                break;
            }
            if (i < first + 1000 && depth > 4096) ++beyond_a_page_early;
        }
        CHECK(tasks ==
              std::map<std::size_t, std::uint64_t>{{1024, 3}, {2048, 188}, {4096, 11391}, {8192, 243}});
        CHECK(beyond_a_page_early >= 15);
        CHECK(beyond_a_page_early <= 26);
    }
}

TEST_CASE("a histogram is read as the kernel prints it, or by bytes") {
    const Depths depths = parsed("# a machine\nkstack_1k 1\nkstack_4k 2   # most\n\n5000 1\n");
    REQUIRE(depths.buckets().size() == 3);
    CHECK(depths.buckets()[1].above == 1024);
    CHECK(depths.buckets()[1].up_to == 4096);
    CHECK(depths.buckets()[2].up_to == 5000);
    CHECK(depths.tasks() == 4);
}

TEST_CASE("one task of one byte is a distribution") {
    const Depths depths = parsed("1 1\n");
    CHECK(depths.of_task(0) == 1);
    CHECK(depths.of_task(1000) == 1);
}

TEST_CASE("what is no histogram is refused with file, line and what was expected") {
    const auto refusal = [](const std::string& text) {
        try {
            static_cast<void>(parsed(text));
        } catch (const UsageError& error) {
            return std::string{error.what()};
        }
        return std::string{};
    };
    CHECK_THAT(refusal("kstack_1k 5\nkstack_4 7\n"),
               Catch::StartsWith("depths:2: 'kstack_4 7': expected a depth above 1024"));
    CHECK_THAT(refusal("4096\n"), Catch::StartsWith("depths:1:"));
    CHECK_THAT(refusal("4096 1 2\n"), Catch::StartsWith("depths:1:"));
    CHECK_THAT(refusal("4096 1\n4096 1\n"), Catch::StartsWith("depths:2:"));
    CHECK_THAT(refusal("0 1\n"), Catch::StartsWith("depths:1:"));
    CHECK(refusal("kstack_1k 0\n") == "depths: expected at least one task");
    CHECK(refusal("") == "depths: expected at least one task");
    CHECK_THROWS_WITH(Depths::read("/nonexistent"), "/nonexistent: cannot be read");
}

TEST_CASE("a file is read by its name") {
    const test::ScratchFolder folder;
    CHECK(Depths::read(folder.with("depths", "kstack_8k 9\n")).tasks() == 9);
}

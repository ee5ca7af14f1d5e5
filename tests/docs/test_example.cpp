/// The example of docs/adding-an-allocator.md, cut out of the page and joined as the page says.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "allocators/contract/registry.hpp"
#include "bench/replay/replay.hpp"
#include "bench/replay/report.hpp"
#include "tests/contract/allocator_laws.hpp"

using namespace kmemlab;

TEST_CASE("the page's allocator is one of the registry") {
    const std::vector<std::string> names = model_names();
    CHECK(names.back() == "shelves");
    const std::vector<Setting> small{{"machine.arena", "1M"}};
    AnyAllocator erased = make_allocator("shelves", small);
    CHECK(erased.allocate({.size = 100}) != nullptr);
    CHECK(erased.allocate({.size = std::size_t{1} << 20}) == nullptr);
    CHECK_FALSE(erased.find_violation());
}

TEST_CASE("the page's allocator keeps the laws of the contract") {
    const auto subject = test::plain_subject<Shelves>();
    CHECK(test::text(test::serves_all_sizes(subject)) == "");
    CHECK(test::text(test::survives_absurd_sizes(subject)) == "");
    CHECK(test::text(test::takes_back_nothing(subject)) == "");
    CHECK(test::text(test::aligns(subject)) == "");
    CHECK(test::text(test::zeroes_what_was_dirty(subject)) == "");
    CHECK(test::text(test::survives_churn(subject)) == "");
    CHECK(test::text(test::counts_failures(subject)) == "");
    CHECK(test::text(test::tells_the_last_path(subject)) == "");
    CHECK(test::text(test::repeats_itself(subject)) == "");
}

TEST_CASE("the page's allocator serves a recorded kernel and stands in the report") {
    const std::string file = "bench/traces/make-j2.trace.zst";
    const trace::Trace trace = trace::read_trace(file);
    replay::Options options;
    options.allocators = {"shelves", "malloc"};
    options.repetitions = 2;
    const replay::Result result = replay::replay(trace, options);
    const replay::Observation& seen = result.allocators.front().observed;
    CHECK(seen.violation.value_or("") == "");
    CHECK(seen.failures == 0);
    CHECK(seen.checks > 10);
    CHECK(seen.allocations[static_cast<std::size_t>(Path::fast)] > 1000);
    CHECK(seen.allocations[static_cast<std::size_t>(Path::new_slab)] > 1000);

    const auto folder = std::filesystem::temp_directory_path() / "kmemlab-test-docs";
    std::filesystem::create_directories(folder);
    const std::string json = (folder / "shelves.json").string();
    const std::string html = (folder / "report.html").string();
    std::ofstream{json} << replay::to_json(result, trace, file, "test").dump();
    const std::string draw = "/usr/bin/python3 -B -m plots report " + json + " -o " + html;
    REQUIRE(std::system(draw.c_str()) == 0);  // NOLINT(concurrency-mt-unsafe): the test has one thread
    std::ifstream report{html};
    const std::string text{std::istreambuf_iterator<char>{report}, {}};
    CHECK_THAT(text, Catch::Contains("shelves") && Catch::Contains("</html>"));
    std::filesystem::remove_all(folder);
}

TEST_CASE("the page's allocator names a head that was overwritten") {
    Shelves shelves{Shelves::Config{}};
    auto* const object = static_cast<unsigned char*>(shelves.allocate({.size = 48}));
    CHECK_FALSE(shelves.find_violation());
    object[-8] ^= 0xff;
    CHECK(shelves.find_violation().value().law == "G1");
}

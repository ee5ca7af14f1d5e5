/// The kept programs of the fuzzers by real threads. Under ThreadSanitizer this proves C5 for them.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/machines/threaded_run.hpp"
#include "fuzz/targets/target.hpp"

using namespace kmemlab;
using namespace kmemlab::fuzz;

namespace {

/// Every so many inputs of a folder, so that each way through the code is there and the test ends soon.
std::vector<std::filesystem::path> sample(const std::filesystem::path& folder, std::size_t most) {
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::directory_iterator{folder}) all.push_back(entry.path());
    std::sort(all.begin(), all.end());
    std::vector<std::filesystem::path> some;
    const std::size_t step = 1 + all.size() / most;
    for (std::size_t i = 0; i < all.size(); i += step) some.push_back(all[i]);
    return some;
}

}  // namespace

TEST_CASE("programs of the fuzzers break no law when real threads run them") {
    std::size_t programs = 0;
    for (const Target& target : all_targets()) {
        if (target.threaded.empty()) continue;
        for (const auto& path : sample(std::filesystem::path{"fuzz/corpus"} / target.name, 60)) {
            CAPTURE(path.string());
            std::ifstream file{path, std::ios::binary};
            const std::vector<std::uint8_t> content{std::istreambuf_iterator<char>{file}, {}};
            const auto found =
                run_threaded(target.threaded, decode(content, target.language), target.language);
            REQUIRE((found ? found->law + ": " + found->what : "") == "");
            ++programs;
        }
    }
    CHECK(programs > 100);
}

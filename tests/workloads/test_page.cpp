/// docs/workloads.md tells of the same workloads as the program.
#include <catch2/catch.hpp>

#include <fstream>

#include "tests/workloads/workload_support.hpp"

using namespace kmemlab::workloads;

TEST_CASE("the page's table is the program's list") {
    std::ifstream page{"docs/workloads.md"};
    REQUIRE(page.good());
    std::vector<std::string> rows;
    for (std::string line; std::getline(page, line);) {
        if (line.starts_with("| `")) rows.push_back(line);
    }
    std::vector<std::string> expected;
    for (const Workload& workload : all_workloads()) {
        const WorkloadInfo& info = workload.info;
        expected.push_back(
            fmt::format("| `{}` | {} | {} | {} |", info.name, info.what, info.source, info.asks));
    }
    CHECK(rows == expected);
}

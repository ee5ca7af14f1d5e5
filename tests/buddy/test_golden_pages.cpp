#include <catch2/catch.hpp>

#include "tests/buddy/page_trace.hpp"
#include "tests/support/golden.hpp"

using namespace kmemlab::test;

TEST_CASE("pages are given as Linux 6.1 gave them") {
    const std::string name =
        GENERATE("linux-6.1-pages/buddytrace-all", "linux-6.1-pages/buddytrace-all-pressure",
                 "linux-6.1-pages/buddytrace-nopcp", "linux-6.1-pages/buddytrace-nopcp-pressure",
                 "linux-6.1-pages/buddytrace-hi", "linux-6.1-pages/buddytrace-hi-pressure",
                 "linux-6.1-smp-pages/buddytrace-all-random-slub",
                 "linux-6.1-smp-pages/buddytrace-all-random-pressure-slab",
                 "linux-6.1-smp-pages/buddytrace-all-prodcons-tight-slub",
                 "linux-6.1-smp-pages/buddytrace-atomic-random-pressure-slub",
                 "linux-6.1-smp-pages/buddytrace-hi-random-pressure-slub",
                 "linux-6.1-smp-pages/buddytrace-nopcp-random-pressure-slub");
    INFO(name);
    const PageTraceResult result = replay_page_trace(read_golden(name + ".csv.zst"));
    CHECK(result.difference == "");
    CHECK(result.violation == "");
    CHECK(result.rows > 20000);
}

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "bench/measure/environment.hpp"

using namespace kmemlab;

TEST_CASE("the context has every member that docs/results.md names") {
    const std::vector<Setting> tunables{{"machine.cpus", "4"}};
    const Json c = context("kmemlab replay x", tunables);
    for (const char* member : {"date",
                               "host_name",
                               "executable",
                               "num_cpus",
                               "mhz_per_cpu",
                               "cpu_scaling_enabled",
                               "caches",
                               "load_avg",
                               "library_build_type",
                               "kmemlab_version",
                               "command",
                               "compiler",
                               "flags",
                               "build_type",
                               "cpu",
                               "kernel",
                               "governor",
                               "thp",
                               "checks",
                               "tunables"}) {
        CAPTURE(member);
        CHECK(c.contains(member));
    }
    CHECK(c["command"] == "kmemlab replay x");
    CHECK(c["tunables"]["machine.cpus"] == "4");
    CHECK(c["checks"].is_array());
    CHECK_FALSE(c["kernel"].get<std::string>().empty());
}

TEST_CASE("custom context holds texts only") {
    for (const auto& [key, value] : custom_context("x", {})) {
        CAPTURE(key);
        CHECK_FALSE((key != "flags" && value.empty()));
    }
}

TEST_CASE("a setting of sysfs is the word in brackets") {
    CHECK(chosen_word("always [madvise] never\n") == "madvise");
    CHECK(chosen_word("performance\n") == "performance");
    CHECK(chosen_word("").empty());
}

TEST_CASE("a command line is one string that a shell takes apart again") {
    CHECK(command_line(std::vector<std::string>{"kmemlab", "list"}) == "kmemlab list");
    CHECK(command_line(std::vector<std::string>{"a b", "c'd", ""}) == R"('a b' 'c'\''d' '')");
}

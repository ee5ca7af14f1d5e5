/// `kmemlab golden check` as a user sees it.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "tests/cli/program.hpp"

using namespace kmemlab::cli_test;
using Catch::Contains;

namespace {

const std::string geometry = "tests/golden/linux-6.1-slob/geometry.csv.zst";
const std::string reap = "tests/golden/linux-6.1-slab/reap-64.csv.zst";
const std::string timing = "tests/golden/linux-6.1-timing/slub.csv.zst";
const std::string counts = "tests/golden/linux-6.1-slub-debug/counts.csv";

}  // namespace

TEST_CASE("files that agree are told with their rows", "[command]") {
    const Outcome outcome = run_kmemlab("golden check " + geometry + " " + counts);
    CHECK(outcome.status == 0);
    CHECK(outcome.out == fmt::format("OK {} rows=7488\nOK {} rows=33\n", geometry, counts));
    CHECK(outcome.err.empty());
}

TEST_CASE("a difference is told with both answers, and the status is 1", "[command]") {
    const ScratchFolder folder;
    std::string text = content(counts);
    text.replace(text.find("1,1,0,2"), 7, "1,2,0,3");
    const std::string file = folder.with("counts.csv", text);
    const Outcome outcome = run_kmemlab("golden check " + file + " " + counts);
    CHECK(outcome.status == 1);
    CHECK(outcome.out ==
          fmt::format("DIFF {} row=2\n"
                      "  expected byte50,FZPU,0,validate after p[50]=0x9a of a free object,1,2,0,3\n"
                      "  found    byte50,FZPU,0,validate after p[50]=0x9a of a free object,1,1,0,2\n"
                      "OK {} rows=33\n",
                      file, counts));
}

TEST_CASE("a format without a model is skipped, and the status is 0", "[command]") {
    const Outcome outcome = run_kmemlab("golden check " + timing);
    CHECK(outcome.status == 0);
    CHECK(outcome.out == fmt::format("SKIP {} no model for this format yet: timing\n", timing));
}

TEST_CASE("a file that cannot be used is one line on standard error, and the others are checked",
          "[command]") {
    const ScratchFolder folder;
    const std::string whole = content(reap);
    for (const std::string& bad :
         {folder.file("absent"), folder.with("other.csv", "hello\n"), folder.with("empty.csv", ""),
          folder.with("cut.csv.zst", whole.substr(0, whole.size() / 2)), std::string{"tests/golden"}}) {
        CAPTURE(bad);
        const Outcome outcome = run_kmemlab(fmt::format("golden check {} {}", bad, geometry));
        CHECK(outcome.status == 2);
        CHECK(outcome.out == fmt::format("OK {} rows=7488\n", geometry));
        CHECK_THAT(outcome.err, Catch::StartsWith("kmemlab: ") && Contains(bad));
        CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
    }
}

TEST_CASE("a file is read from standard input, plain or compressed", "[command]") {
    CHECK(run_kmemlab("golden check - <" + counts).out == "OK - rows=33\n");
    CHECK(run_kmemlab("golden check - <" + geometry).out == "OK - rows=7488\n");
}

TEST_CASE("help of golden check suffices to use it", "[command]") {
    const Outcome outcome = run_kmemlab("golden check --help");
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, Contains("DIFF FILE row=N") && Contains("Exit status") && Contains("Example"));
    CHECK(run_kmemlab("golden check").status == 2);
}

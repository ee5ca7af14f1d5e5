/// kmemlab compare: what is said of given numbers. tests/plots/test_compare.py tests the judgement itself.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "bench/measure/environment.hpp"
#include "tests/cli/program.hpp"

using namespace kmemlab;
using namespace kmemlab::cli_test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

/// Twelve repetitions of one row, which lie close together about `ns`.
std::string result(double ns, const std::string& kernel = "6.1.0") {
    Json rows = Json::array();
    for (int i = 0; i < 12; ++i) {
        const double time = ns * (1 + 0.001 * (i * 5 % 12));
        rows.push_back({{"name", "pair/64/slub"}, {"real_time", time}, {"cpu_time", time}});
    }
    return Json{{"context", {{"kernel", kernel}}}, {"benchmarks", rows}}.dump();
}

}  // namespace

TEST_CASE("compare prints a verdict for each row, and its status is that of the comparison") {
    const ScratchFolder folder;
    const std::string a = folder.with("a.json", result(10));
    const std::string b = folder.with("b.json", result(11));
    const Outcome outcome = run_kmemlab(fmt::format("compare {} {}", a, b));
    CAPTURE(outcome.err);
    CHECK(outcome.status == 0);
    CHECK(outcome.err.empty());
    CHECK_THAT(outcome.out, Contains("pair/64/slub") && Contains("1.100") && Contains("slower"));
    CHECK(run_kmemlab(fmt::format("compare --fail-if-slower {} {}", a, b)).status == 1);
    CHECK(run_kmemlab(fmt::format("compare --fail-if-slower {} {}", b, a)).status == 0);
    CHECK(run_kmemlab("compare --self-check " + a).status == 0);
}

TEST_CASE("compare hands on every option, and files are those of the caller's folder") {
    const ScratchFolder folder;
    const std::string a = folder.with("-a.json", result(10));
    const std::string b = folder.with("b.json", result(10, "6.9.0"));
    // A folder of the same name there is not what is started.
    std::filesystem::create_directory(folder.file("plots"));
    REQUIRE(folder.with("plots/__main__.py", "raise SystemExit(7)").size() > 0);
    const std::string here = fmt::format("cd {} && {} ", folder.file(""), KMEMLAB_PROGRAM);
    const Outcome outcome =
        kmemlab::test::run_shell(here + "compare --force --markdown -o ratios.svg -- -a.json b.json");
    CAPTURE(outcome.err);
    CHECK(outcome.status == 0);
    CHECK_THAT(outcome.out, StartsWith("| row | A | B |") && Contains("kernel 6.1.0 and 6.9.0"));
    CHECK_THAT(content(folder.file("ratios.svg")), Contains("<svg"));
}

TEST_CASE("what cannot be compared is refused as by any other command") {
    const ScratchFolder folder;
    const std::string a = folder.with("a.json", result(10));
    const std::string other = folder.with("other.json", result(10, "6.9.0"));
    check_refused("compare", "expected two result files, found 0");
    check_refused("compare " + a, "expected two result files, found 1");
    check_refused(fmt::format("compare {} {}", a, other), "kernel 6.1.0 and 6.9.0");
    check_refused(fmt::format("compare {} {}", a, folder.file("absent")), "absent");
    check_refused(fmt::format("compare {0} {0} -o ratios.gif", a), "ratios.gif");
    check_refused(fmt::format("compare {0} {0} >/dev/full", a), "cannot write standard output: No space");
}

TEST_CASE("a self-check measures rows beside themselves, and judges them by either status") {
    const ScratchFolder folder;
    const std::string file = folder.file("check.json");
    const Outcome outcome =
        run_kmemlab("compare --self-check --filter '^pair/64/(floor|slub)$' --repetitions 2 --json " + file);
    CAPTURE(outcome.err);
    CHECK((outcome.status == 0 || outcome.status == 1));
    CHECK_THAT(outcome.out, Contains("pair/64/floor") && Contains("5 % of work put in") &&
                                Contains("of the same, ") && Contains("here and now compare"));
    const Json json = Json::parse(content(file));
    CHECK(json["benchmarks"].size() == 12);
    CHECK(json["self_check"]["rows"].size() == 2);
    CHECK(json["self_check"]["rows"][1]["delayed"] == "pair/64/slub-delayed");
    const Outcome again = run_kmemlab("compare --self-check " + file);
    CHECK(again.status == outcome.status);
    CHECK(again.out == outcome.out);
    const std::string unkept =
        run_kmemlab("compare --self-check --filter ^pair/64/floor$ --repetitions 2").out;
    CHECK_THAT(unkept, StartsWith("A is each row, B the same again:\n") && Contains("here and now compare"));
}

TEST_CASE("compare runs two commands in turns") {
    const ScratchFolder folder;
    const std::string log = folder.file("log");
    std::string runs = "compare --repetitions 4 --run";
    for (const double ns : {10, 11}) {
        const std::string from = folder.with(fmt::format("{}.json", ns), result(ns));
        const std::string script = fmt::format("echo {} >>{}; cp {} \"$1\"", ns, log, from);
        runs += fmt::format(" 'sh {} {{}}'", folder.with(fmt::format("{}.sh", ns), script));
    }
    const Outcome outcome = run_kmemlab(runs);
    CAPTURE(outcome.err);
    CHECK(outcome.status == 0);
    CHECK(outcome.err.empty());
    CHECK_THAT(outcome.out, Contains("1.100") && Contains("slower"));
    CHECK(content(log) == "10\n11\n11\n10\n10\n11\n11\n10\n");
}

TEST_CASE("options of compare that belong to something else are refused") {
    check_refused("compare --filter x a b", "--filter");
    check_refused("compare --json x a b", "--json");
    check_refused("compare --repetitions 3 a b", "--repetitions");
    check_refused("compare --repetitions 0 --run a b", "--repetitions");
    check_refused("compare --run a", "--run");
    check_refused("compare --run a b --self-check", "--self-check");
    check_refused("compare c --run true true", "either files or --run");
    check_refused("compare --run true true", "true: expected a result file");
    check_refused("compare --run 'kmemlab-is-not-here x' true", "kmemlab-is-not-here x: cannot be run");
    check_refused("compare --self-check --filter no-such-row", "no row matches");
}

TEST_CASE("compare says what is missing: a package of Python, or plots beside the program") {
    const ScratchFolder folder;
    const std::string a = folder.with("a.json", result(10));
    REQUIRE(folder.with("pandas.py", "raise ModuleNotFoundError('none', name='pandas')").size() > 0);
    const Outcome without = kmemlab::test::run_shell(
        fmt::format("PYTHONPATH={} {} compare {} {}", folder.file(""), KMEMLAB_PROGRAM, a, a));
    CHECK(without.status == 2);
    CHECK(without.err == "kmemlab: expected Debian's python3-pandas to be installed\n");

    const std::string alone = folder.file("kmemlab");
    std::filesystem::copy_file(KMEMLAB_PROGRAM, alone);
    const Outcome outcome = kmemlab::test::run_shell(fmt::format("{} compare {} {}", alone, a, a));
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.err, Contains("plots/__main__.py, where it is installed with the program"));
}

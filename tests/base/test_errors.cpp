// The three kinds of error: violations, misuse, failed checks; and what a user is told.
#include <catch2/catch.hpp>

#include <csignal>
#include <set>
#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/base/misuse.hpp"
#include "tests/support/child.hpp"

using namespace kmemlab;
using Catch::Matchers::Contains;

namespace {

Misuse double_free_of(const void* p) {
    return {MisuseKind::double_free, p, "kmalloc-64", "BUG kmalloc-64: Object already free\n"};
}

}  // namespace

TEST_CASE("a violation names its law and what was found") {
    const Violation found = violation("B4", "pfn {} and its buddy {} are both free", 8, 12);
    CHECK(found.law == "B4");
    CHECK(found.message() == "B4: pfn 8 and its buddy 12 are both free");
}

TEST_CASE("a usage error holds its formatted line") {
    const UsageError error = UsageError::of("cpus: {} is not between {} and {}", 0, 1, 256);
    CHECK(std::string{error.what()} == "cpus: 0 is not between 1 and 256");
}

TEST_CASE("a failed check aborts and names file, line and condition") {
    const auto end = test::run_in_child([] { check_failed("a < b", "file.cpp", 42); });
    CHECK(end.signal == SIGABRT);
    CHECK(end.errors == "file.cpp:42: check failed: a < b\n");
}

TEST_CASE("a debug check evaluates its condition only where it is on") {
    int evaluated = 0;
    [[maybe_unused]] const auto holds = [&] { return ++evaluated > 0; };
    KMEMLAB_DEBUG_CHECK(holds());
    CHECK(evaluated == (debug_checks ? 1 : 0));
    const auto end = test::run_in_child([] { KMEMLAB_DEBUG_CHECK(1 + 1 == 3); });
    CHECK(end.signal == (debug_checks ? SIGABRT : 0));
    if (debug_checks) CHECK_THAT(end.errors, Contains("1 + 1 == 3"));
}

TEST_CASE("misuse is printed and aborts unless it is told otherwise") {
    const auto end = test::run_in_child([] {
        MisuseLog log;
        log.report(double_free_of(nullptr));
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.errors == "BUG kmalloc-64: Object already free\n");
}

TEST_CASE("a log that keeps going counts misuse and tells its listener") {
    const int object = 0;
    std::vector<Misuse> heard;
    MisuseLog log = MisuseLog::keep_going([&](const Misuse& misuse) { heard.push_back(misuse); });
    CHECK(log.count() == 0);
    log.report(double_free_of(&object));
    log.report({MisuseKind::wrong_order, nullptr, {}, "BUG\n"});
    CHECK(log.count() == 2);
    REQUIRE(heard.size() == 2);
    CHECK(heard[0].kind == MisuseKind::double_free);
    CHECK(heard[0].address == &object);
    CHECK(heard[0].cache == "kmalloc-64");
    CHECK(heard[1].kind == MisuseKind::wrong_order);
}

TEST_CASE("a log that keeps going needs no listener and prints nothing") {
    const auto end = test::run_in_child([] {
        MisuseLog log = MisuseLog::keep_going();
        log.report(double_free_of(nullptr));
        _exit(log.count() == 1 ? 7 : 8);
    });
    CHECK(end.signal == 0);
    CHECK(end.status == 7);
    CHECK(end.errors.empty());
}

TEST_CASE("two logs share no count") {
    MisuseLog one = MisuseLog::keep_going();
    MisuseLog other = MisuseLog::keep_going();
    one.report(double_free_of(nullptr));
    CHECK(one.count() == 1);
    CHECK(other.count() == 0);
}

TEST_CASE("every kind of misuse has a name of its own") {
    std::set<std::string_view> names;
    for (int kind = 0; kind <= static_cast<int>(MisuseKind::bad_request); ++kind) {
        const std::string_view name = to_string(static_cast<MisuseKind>(kind));
        CHECK(name != "unknown");
        CHECK(names.insert(name).second);
    }
    CHECK(to_string(MisuseKind::overwritten) == "overwritten");
}

#include <catch2/catch.hpp>

#include <limits>
#include <string>
#include <vector>

#include "allocators/base/check.hpp"
#include "allocators/base/tunable.hpp"

using namespace kmemlab;

TEST_CASE("amounts of memory are bytes or have a suffix") {
    std::size_t bytes = 0;
    for (const auto& [text, expected] : std::vector<std::pair<std::string, std::size_t>>{
             {"0", 0},
             {"4096", 4096},
             {"64K", std::size_t{64} << 10},
             {"3M", std::size_t{3} << 20},
             {"1G", std::size_t{1} << 30},
             {"16T", std::size_t{16} << 40},
             {"007", 7},
             {"18446744073709551615", std::numeric_limits<std::size_t>::max()},
             {"16777215T", std::size_t{16777215} << 40}}) {
        INFO(text);
        CHECK(parse_bytes(text, bytes));
        CHECK(bytes == expected);
    }
}

TEST_CASE("amounts of memory that are malformed or overflow are refused and change nothing") {
    for (const std::string text : {"", "K", "-1", "+1", " 1", "1 ", "1k", "1KB", "1KK", "1.5G", "0x10", "1e3",
                                   "G1", "18446744073709551616", "16777216T", "18014398509481984K", "1P"}) {
        INFO("'" << text << "'");
        std::size_t bytes = 77;
        CHECK_FALSE(parse_bytes(text, bytes));
        CHECK(bytes == 77);
    }
}

TEST_CASE("a setting is split at its first equals sign") {
    const Setting plain = parse_setting("slub.max_order=0");
    CHECK(plain.key == "slub.max_order");
    CHECK(plain.value == "0");
    CHECK(parse_setting("slub.debug=FZ,a=b").value == "FZ,a=b");
    CHECK(parse_setting("key=").value.empty());
}

TEST_CASE("a setting without key or equals sign is refused by its text") {
    CHECK_THROWS_WITH(parse_setting("slub.max_order"), "--set slub.max_order: expected key=value");
    CHECK_THROWS_AS(parse_setting("=3"), UsageError);
    CHECK_THROWS_AS(parse_setting(""), UsageError);
}

TEST_CASE("an integer is accepted from its least to its largest value") {
    std::uint64_t value = 5;
    const Tunable tunable = integer_tunable("a.b", "help", value, 3, 10);
    CHECK(tunable.accepted == "3..10");
    CHECK(tunable.get() == "5");
    for (const std::string good : {"3", "10", "7"}) {
        CHECK(tunable.set(good));
        CHECK(tunable.get() == good);
    }
    for (const std::string bad : {"2", "11", "", "-3", "3 ", "3K", "seven", "99999999999999999999"}) {
        INFO(bad);
        CHECK_FALSE(tunable.set(bad));
        CHECK(value == 7);
    }
}

TEST_CASE("a switch is 0 or 1") {
    bool on = false;
    const Tunable tunable = switch_tunable("a.b", "help", on);
    CHECK(tunable.set("1"));
    CHECK(on);
    CHECK(tunable.get() == "1");
    for (const std::string bad : {"", "2", "on", "true", "01", "1 "}) CHECK_FALSE(tunable.set(bad));
    CHECK(tunable.set("0"));
    CHECK_FALSE(on);
}

TEST_CASE("an amount of memory is accepted between its bounds") {
    std::size_t bytes = 8192;
    const Tunable tunable = bytes_tunable("a.b", "help", bytes, 4096, std::size_t{1} << 20);
    CHECK(tunable.set("1M"));
    CHECK(tunable.get() == "1048576");
    CHECK(tunable.set("4K"));
    for (const std::string bad : {"4095", "1048577", "2M", "1G", ""}) CHECK_FALSE(tunable.set(bad));
    CHECK(bytes == 4096);
}

TEST_CASE("settings reach the tunables of their keys and pass by others") {
    std::uint64_t a = 1;
    std::uint64_t b = 2;
    const std::vector<Tunable> tunables{integer_tunable("x.a", "", a, 0, 9),
                                        integer_tunable("x.b", "", b, 0, 9)};
    apply_settings(std::vector<Setting>{{"x.b", "7"}, {"y.c", "nonsense"}, {"x.b", "8"}}, tunables);
    CHECK(a == 1);
    CHECK(b == 8);
}

TEST_CASE("a value that its tunable refuses is an error of key, value and what is accepted") {
    std::uint64_t a = 1;
    const std::vector<Tunable> tunables{integer_tunable("x.a", "", a, 0, 9)};
    CHECK_THROWS_WITH(apply_settings(std::vector<Setting>{{"x.a", "10"}}, tunables),
                      "--set x.a=10: expected 0..9");
}

TEST_CASE("a key that nothing has is an error that lists the keys") {
    const std::vector<std::string> keys{"x.a", "x.b"};
    CHECK_NOTHROW(refuse_unknown(std::vector<Setting>{{"x.b", "1"}}, keys));
    CHECK_THROWS_WITH(refuse_unknown(std::vector<Setting>{{"x.b", "1"}, {"x.c", "1"}}, keys),
                      "--set x.c: no such tunable; valid: x.a, x.b");
}

#include "bench/trace/tables.hpp"

#include <map>
#include <random>

#include "tests/trace/trace_support.hpp"

using namespace kmemlab::trace;

TEST_CASE("the address map agrees with std::map over random puts and takes") {
    AddressMap map;
    std::map<std::uint64_t, std::uint32_t> model;
    std::mt19937_64 random{7};
    for (std::uint32_t step = 0; step < 200'000; ++step) {
        // Keys like those of frames: dense, so that runs are long and gaps are closed.
        const std::uint64_t key = random() % 6000;
        const auto found = model.find(key);
        const std::uint32_t before = found == model.end() ? AddressMap::none : found->second;
        if (random() % 2 == 0) {
            REQUIRE(map.put(key, step) == before);
            model[key] = step;
        } else {
            REQUIRE(map.take(key) == before);
            model.erase(key);
        }
        REQUIRE(map.size() == model.size());
    }
}

TEST_CASE("the name table numbers names in order of appearance and keeps them while it grows") {
    NameTable names;
    for (std::uint32_t i = 0; i < 5000; ++i) REQUIRE(names.number_of("name" + std::to_string(i)) == i);
    for (std::uint32_t i = 0; i < 5000; ++i) REQUIRE(names.number_of("name" + std::to_string(i)) == i);
    CHECK(names.release()[4321] == "name4321");
}

TEST_CASE("names beyond the last number share it") {
    NameTable names;
    CHECK(names.number_of("a", 2) == 0);
    CHECK(names.number_of("b", 2) == 1);
    CHECK(names.number_of("c", 2) == 2);
    CHECK(names.number_of("d", 2) == 2);
    CHECK(names.number_of("a", 2) == 0);
    CHECK(names.release() == std::vector<std::string>{"a", "b", "(others)"});
}

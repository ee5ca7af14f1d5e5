#include <catch2/catch.hpp>

#include "allocators/base/check.hpp"
#include "allocators/objects/kmalloc_classes.hpp"
#include "allocators/slab/config.hpp"
#include "allocators/slab/geometry.hpp"

using namespace kmemlab;

TEST_CASE("free indexes go off the slab where a constructor keeps them out of objects and nothing is left") {
    const auto off = slab_geometry({.size = 1024, .constructor = true}, {});
    REQUIRE(off);
    CHECK(off->place == IndexPlace::off_slab);
    CHECK(off->objects == 4);
    CHECK(slab_geometry({.size = 1000, .constructor = true}, {})->place == IndexPlace::on_slab);
    CHECK(slab_geometry({.size = 1024}, {})->place == IndexPlace::in_object);
    CHECK(slab_geometry({.size = 1024, .flags = CacheFlags::typesafe_by_rcu}, {})->place ==
          IndexPlace::off_slab);
    // Off the slab costs more than half an object: 64 indexes take 64 bytes (SLAB-3).
    CHECK(slab_geometry({.size = 64, .constructor = true}, {})->place == IndexPlace::on_slab);
}

TEST_CASE("the largest object has a slab of its own, and nothing larger has one") {
    const auto g = slab_geometry({.size = kmalloc_max_size}, {});
    REQUIRE(g);
    CHECK(g->objects == 1);
    CHECK(g->order == max_order);
    CHECK(g->limit == 1);
    CHECK_FALSE(slab_geometry({.size = kmalloc_max_size, .constructor = true}, {.max_order = 0}) ==
                std::nullopt);
    CHECK_FALSE(slab_geometry({.size = kmalloc_max_size + 1}, {}));
    CHECK_FALSE(slab_geometry({.size = 0}, {}));
}

TEST_CASE("a slab has several pages only if waste or a large object demands it") {
    CHECK(slab_geometry({.size = 1350}, {})->order == Order{0});
    CHECK(slab_geometry({.size = 2600}, {})->order == Order{1});
    CHECK(slab_geometry({.size = 2600}, {.max_order = 0})->order == Order{0});
    CHECK(slab_geometry({.size = 2600, .flags = CacheFlags::reclaim_account}, {})->order == Order{0});
    SlabConfig config;
    CHECK(config.rules(1, std::size_t{32} << 20).max_order == 0);
    CHECK(config.rules(1, std::size_t{33} << 20).max_order == 1);
}

TEST_CASE("tunables take the place of the rules, and refuse what cannot be") {
    SlabConfig config;
    const auto set = [&](const char* text) {
        const std::vector<Setting> settings{parse_setting(text)};
        apply_settings(settings, config.tunables());
    };
    set("slab.limit=10");
    set("slab.shared=3");
    set("slab.max_order=2");
    auto geometry = *slab_geometry({.size = 100}, config.rules(4, std::size_t{1} << 30));
    apply_config(config, 4, geometry);
    CHECK(geometry.limit == 10);
    CHECK(geometry.batchcount == 5);
    CHECK(geometry.shared == 3);
    CHECK(config.rules(4, 0).max_order == 2);
    set("slab.batchcount=11");
    CHECK_THROWS_AS(apply_config(config, 4, geometry), UsageError);
    CHECK_THROWS_AS(set("slab.shared=few"), UsageError);
    CHECK_THROWS_AS(set("slab.max_order=11"), UsageError);
    CHECK_THROWS_AS(set("slab.limit=-1"), UsageError);
}

TEST_CASE("arrays that would take gigabytes of the process are refused") {
    const auto refusal = [](std::uint64_t limit, const char* shared, unsigned cpus) -> std::string {
        SlabConfig config;
        config.limit = limit;
        config.shared = shared;
        auto geometry = *slab_geometry({.size = 100}, config.rules(cpus, std::size_t{1} << 30));
        try {
            apply_config(config, cpus, geometry);
            return "";
        } catch (const UsageError& error) {
            return error.what();
        }
    };
    CHECK(refusal(65536, "auto", 2) == "");
    CHECK(refusal(120, "auto", 256) == "");
    CHECK(refusal(65536, "1024", 2) ==
          "slab.limit and slab.shared: 65536 objects for each of 2 CPUs and 1024 batches of 32768 are above "
          "524288 for a cache");
    CHECK(refusal(65536, "0", 256) != "");
}

/// /sys/kernel/slab/CACHE: every attribute of Linux 6.1 that can be read, against the cache's own state.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "allocators/slub/slab_word.hpp"
#include "tests/texts/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

using Attributes = std::map<std::string, std::string>;

/// By name, without the line's end.
Attributes attributes_of(SlubModel& model, const SlubModel::Cache& cache) {
    Attributes values;
    for (const Text& text : model.objects().attributes(cache)) {
        const std::string folder = "slab/" + cache.name + "/";
        REQUIRE_THAT(text.name, Catch::StartsWith(folder));
        REQUIRE(text.content.back() == '\n');
        const bool added =
            values.emplace(text.name.substr(folder.size()), text.content.substr(0, text.content.size() - 1))
                .second;
        CHECK(added);
    }
    return values;
}

SlubModel::Cache& cache_named(SlubModel& model, std::string_view name) {
    for (const auto& cache : model.objects().caches()) {
        if (cache->name == name) return *cache;
    }
    throw std::runtime_error{"no such cache"};
}

void construct(void*) {}

}  // namespace

TEST_CASE("a cache has the attributes of Linux 6.1 that tell something of it, and no others") {
    SlubModel model{SlubModel::Config{}};
    std::vector<std::string> names;
    for (const auto& [name, value] : attributes_of(model, cache_named(model, "kmalloc-64")))
        names.push_back(name);
    CHECK(names == std::vector<std::string>{"aliases",         "align",
                                            "cache_dma",       "cpu_partial",
                                            "cpu_slabs",       "ctor",
                                            "destroy_by_rcu",  "hwcache_align",
                                            "min_partial",     "object_size",
                                            "objects",         "objects_partial",
                                            "objs_per_slab",   "order",
                                            "partial",         "poison",
                                            "reclaim_account", "red_zone",
                                            "sanity_checks",   "slab_size",
                                            "slabs",           "slabs_cpu_partial",
                                            "store_user",      "total_objects",
                                            "trace",           "usersize"});
}

TEST_CASE("every number of the attributes is that of the cache, recounted from its slabs") {
    UsedMachine<SlubModel> machine;
    Arena& arena = machine.model.arena();
    for (const auto& owned : machine.model.objects().caches()) {
        const auto& cache = *owned;
        CAPTURE(cache.name);
        Attributes values = attributes_of(machine.model, cache);
        const auto value = [&](const char* name) { return number_in(values.at(name)); };
        std::uint64_t slabs = 0;
        std::uint64_t frozen = 0;
        std::uint64_t partial = 0;
        std::uint64_t objects = 0;
        std::uint64_t inuse_partial = 0;
        std::uint64_t free_partial = 0;
        for (FrameIndex frame = 0; frame < arena.frames(); ++frame) {
            Page& page = arena.page_at(frame);
            if (page.load_state().kind != PageKind::slab || page.owner != &cache || page.head != frame)
                continue;
            const SlabWord word = SlabWord::load(page);
            ++slabs;
            objects += word.objects;
            frozen += word.frozen ? 1 : 0;
            if (word.frozen || word.inuse == word.objects) continue;
            ++partial;
            inuse_partial += word.inuse;
            free_partial += word.objects - word.inuse;
        }
        CHECK(value("slabs") == slabs);
        CHECK(value("cpu_slabs") == frozen);
        CHECK(value("partial") == partial);
        CHECK(value("total_objects") == objects);
        CHECK(value("objects") == objects - free_partial);
        CHECK(value("objects_partial") == inuse_partial);
        CHECK(value("objs_per_slab") == (std::size_t{page_size} << value("order")) / value("slab_size"));
        CHECK(value("object_size") == cache.geometry.object_size);
        CHECK(value("align") == cache.geometry.align);
        CHECK(value("min_partial") == cache.min_partial);
        CHECK(value("cpu_partial") == cache.geometry.cpu_partial);
        CHECK(value("aliases") == cache.references - 1);
    }
}

TEST_CASE("slabs_cpu_partial is a sum and, behind it, each CPU's share") {
    UsedMachine<SlubModel> machine;
    bool some = false;
    for (const auto& cache : machine.model.objects().caches()) {
        const auto words = words_in(attributes_of(machine.model, *cache).at("slabs_cpu_partial"));
        unsigned whole_slabs = 0;
        unsigned whole_objects = 0;
        REQUIRE(std::sscanf(words[0].c_str(), "%u(%u)", &whole_objects, &whole_slabs) == 2);
        unsigned slabs = 0;
        for (std::size_t i = 1; i < words.size(); ++i) {
            unsigned cpu = 0;
            unsigned objects = 0;
            unsigned own = 0;
            REQUIRE(std::sscanf(words[i].c_str(), "C%u=%u(%u)", &cpu, &objects, &own) == 3);
            CHECK(own == cache->slots[CpuId{cpu}].partial_count);
            slabs += own;
            some = true;
        }
        CHECK(slabs == whole_slabs);
        CHECK(whole_objects == whole_slabs * cache->geometry.objects / 2);
    }
    CHECK(some);
}

TEST_CASE("flags, constructor and what user space may copy are told") {
    SlubModel model{SlubModel::Config{}};
    auto* const cache =
        model.kmem_cache_create({.name = "flagged",
                                 .size = 100,
                                 .flags = CacheFlags::hwcache_align | CacheFlags::reclaim_account |
                                          CacheFlags::red_zone | CacheFlags::poison,
                                 .constructor = construct});
    Attributes values = attributes_of(model, *cache);
    for (const char* name : {"hwcache_align", "reclaim_account", "red_zone", "poison"})
        CHECK(values.at(name) == "1");
    for (const char* name :
         {"cache_dma", "destroy_by_rcu", "sanity_checks", "store_user", "trace", "usersize"})
        CHECK(values.at(name) == "0");
    CHECK_THAT(values.at("ctor"), Catch::StartsWith("0x"));
    Attributes of_kmalloc = attributes_of(model, cache_named(model, "kmalloc-64"));
    CHECK(of_kmalloc.at("ctor").empty());
    CHECK(of_kmalloc.at("usersize") == "64");
}

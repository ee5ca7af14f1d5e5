/// /proc/slabinfo: the columns of the kernel, and in them the allocator's own state, recounted.
#include <catch2/catch.hpp>
#include <map>

#include "allocators/slab/slab_head.hpp"
#include "allocators/slub/slab_word.hpp"
#include "tests/texts/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

// Lines that Linux 6.18 printed.
constexpr const char* kernel_head =
    "slabinfo - version: 2.1\n"
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> "
    "<batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n";
const std::string kernel_row =
    "kmalloc-64          3116   3200     64   64    1 : tunables    0    0    0 : slabdata     50     50     "
    " 0";

struct Parsed {
    std::string name;
    std::vector<std::uint64_t> numbers;  ///< the twelve behind the name, words left out
};

Parsed parse(const std::string& line) {
    auto words = words_in(line);
    REQUIRE(words.size() == 16);
    CHECK(words[6] + words[7] == ":tunables");
    CHECK(words[11] + words[12] == ":slabdata");
    words.erase(words.begin() + 11, words.begin() + 13);
    words.erase(words.begin() + 6, words.begin() + 8);
    Parsed row{words[0], {}};
    for (std::size_t i = 1; i < words.size(); ++i) row.numbers.push_back(number_in(words[i]));
    return row;
}

/// Slabs, and objects in them that wait there for a taker, counted page by page.
struct Recount {
    std::uint64_t slabs = 0;
    std::uint64_t empty_slabs = 0;
    std::uint64_t objects = 0;
    std::uint64_t waiting = 0;
};

template <class Count>
Recount recount(Arena& arena, const void* cache, Count count) {
    Recount sum;
    for (FrameIndex frame = 0; frame < arena.frames(); ++frame) {
        Page& page = arena.page_at(frame);
        if (page.load_state().kind != PageKind::slab || page.owner != cache || page.head != frame) continue;
        ++sum.slabs;
        count(page, sum);
    }
    return sum;
}

Parsed expected(Arena& arena, const SlubModel::Cache& cache) {
    const Recount sum = recount(arena, &cache, [](Page& page, Recount& all) {
        const SlabWord word = SlabWord::load(page);
        all.objects += word.objects;
        if (!word.frozen) all.waiting += word.objects - word.inuse;
    });
    const Geometry& g = cache.geometry;
    return {cache.name,
            {sum.objects - sum.waiting, sum.objects, g.size, g.objects, g.order.pages(), 0, 0, 0, sum.slabs,
             sum.slabs, 0}};
}

Parsed expected(Arena& arena, const SlabModel::Cache& cache) {
    const SlabGeometry& g = cache.geometry;
    const Recount sum = recount(arena, &cache, [&](Page& page, Recount& all) {
        const SlabHead head = SlabHead::load(page);
        all.objects += g.objects;
        all.waiting += g.objects - head.active;
        all.empty_slabs += head.active == 0 ? 1 : 0;
    });
    return {cache.name,
            {sum.objects - sum.waiting, sum.objects, g.size, g.objects, g.order.pages(), g.limit,
             g.batchcount, g.shared, sum.slabs - sum.empty_slabs, sum.slabs, cache.node.shared.avail}};
}

}  // namespace

TEMPLATE_TEST_CASE("slabinfo begins with the kernel's two lines and keeps its columns", "", SlubModel,
                   SheavesModel, SlabModel) {
    const UsedMachine<TestType> machine;
    const std::string text = machine.text("slabinfo");
    CHECK_THAT(text, Catch::StartsWith(kernel_head));
    CHECK(text.back() == '\n');
    const auto lines = lines_in(text);
    REQUIRE(lines.size() > 40);
    for (std::size_t i = 2; i < lines.size(); ++i) {
        CAPTURE(lines[i]);
        if (words_in(lines[i])[0].size() > 17) continue;  // moves the rest to the right, as in the kernel
        auto ends = word_ends(lines[i]);
        auto kernel = word_ends(kernel_row);
        ends[0] = kernel[0] = 0;  // the name alone is left-aligned
        CHECK(ends == kernel);
    }
}

TEMPLATE_TEST_CASE("every number of slabinfo is that of the caches, newest first", "", SlubModel, SlabModel) {
    UsedMachine<TestType> machine;
    const auto lines = lines_in(machine.text("slabinfo"));
    const auto& caches = machine.model.objects().caches();
    REQUIRE(lines.size() == caches.size() + 2);
    std::uint64_t held = 0;
    std::uint64_t empty_slabs = 0;
    for (std::size_t i = 0; i < caches.size(); ++i) {
        const Parsed row = parse(lines[lines.size() - 1 - i]);
        const Parsed counted = expected(machine.model.arena(), *caches[i]);
        CAPTURE(row.name);
        CHECK(row.name == counted.name);
        CHECK(row.numbers == counted.numbers);
        held += row.numbers[1];
        empty_slabs += row.numbers[9] - row.numbers[8];
    }
    CHECK(held > 1000);
    CHECK((empty_slabs > 0) == std::is_same_v<TestType, SlabModel>);  // SLUB calls all its slabs active
}

TEST_CASE("a name longer than its column pushes the rest, and numbers still stand apart") {
    SlubModel::Config config;
    SlubModel model{config};
    REQUIRE(model.kmem_cache_create({.name = "a-cache-with-a-rather-long-name", .size = 48, .align = 16}));
    const Parsed row = parse(lines_in(model.objects().slabinfo())[2]);
    CHECK(row.name == "a-cache-with-a-rather-long-name");
    CHECK(row.numbers[2] == 48);
}

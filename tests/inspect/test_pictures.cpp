/// Diagrams of caches show what is there: exact texts of small states, and the allocators' own counts.
#include <catch2/catch.hpp>

#include <map>
#include <regex>
#include <type_traits>

#include "bench/inspect/cache_picture.hpp"
#include "tests/texts/machine.hpp"

using namespace kmemlab;
using namespace kmemlab::inspect;
using Catch::Contains;

namespace {

template <class M>
M small_machine() {
    typename M::Config config;
    config.machine.cpus = 2;
    config.machine.arena = std::size_t{16} << 20;
    if constexpr (requires { config.objects.track; }) config.objects.track = true;
    return M{config};
}

template <class M>
CachePicture picture(M& model, const std::string& name) {
    for (CachePicture& picture : pictures_of(model)) {
        if (picture.name == name) return std::move(picture);
    }
    FAIL("no cache " << name);
    return {};
}

/// Takes `count` objects of a new cache "things" of 512 bytes on CPU 0, and frees those at `freed` there and
/// the one at `elsewhere` on CPU 1.
template <class M>
std::string things(M& model, std::size_t count, const std::vector<std::size_t>& freed,
                   std::size_t elsewhere) {
    auto* const cache = model.kmem_cache_create({.name = "things", .size = 512});
    std::vector<void*> objects;
    for (std::size_t i = 0; i < count; ++i)
        objects.push_back(model.kmem_cache_alloc(*cache, GFP_KERNEL, CpuId{0}));
    for (const std::size_t i : freed) model.kmem_cache_free(*cache, objects[i], CpuId{0});
    model.kmem_cache_free(*cache, objects[elsewhere], CpuId{1});
    return to_text(picture(model, cache->name));
}

/// Numbers of frames are not what these texts are about.
std::string without_pfns(const std::string& text) {
    return std::regex_replace(text, std::regex{"pfn +[0-9]+(-[0-9]+)?(, [0-9]+(-[0-9]+)?)*"}, "pfn N");
}

}  // namespace

TEST_CASE("slub: slabs of a CPU, its partial slabs, and full ones") {
    SlubModel model = small_machine<SlubModel>();
    CHECK(without_pfns(things(model, 20, {19, 17}, 0)) ==
          R"(things: 16 objects of 512 bytes in a slab of 2 pages

CPU 0   slab     pfn N      2/16  #o#ooooooooooooo
        partial  none
CPU 1   slab     none
        partial  1 slab, at most 7
                 pfn N     15/16  .###############
node    partial  0 slabs, up to 5 stay even if empty
        full     none

#  in use                                  17
o  free, kept for a CPU or the node        14
.  free in its slab                         1
   32 objects in 2 slabs of 4 pages
)");
}

TEST_CASE("slab: arrays, and what is out of the slabs though free") {
    SlabModel model = small_machine<SlabModel>();
    CHECK(without_pfns(things(model, 20, {19, 17}, 0)) ==
          R"(things: 8 objects of 512 bytes in a slab of 1 page

CPU 0   array    [oooooo................................................] 6 of 54
CPU 1   array    [o.....................................................] 1 of 54
node    shared   [................................................................] 0 of 216
        partial  none
        full     3 slabs
                 pfn N       2/8  ooooo#o#
                 pfn N       7/8  #######o
                 pfn N       8/8  ########
        free     none

#  in use                                  17
o  free, kept for a CPU or the node         7
.  free in its slab                         0
   24 objects in 3 slabs of 3 pages
)");
}

TEST_CASE("slub-sheaves: main, spare and barn") {
    SheavesModel model = small_machine<SheavesModel>();
    CHECK(without_pfns(things(model, 20, {19, 17}, 0)) ==
          R"(things: 16 objects of 512 bytes in a slab of 2 pages

CPU 0   main     [oooooooooo..................] 10 of 28
        spare    [............................] 0 of 28
CPU 1   main     [o...........................] 1 of 28
        spare    none
node    barn     full sheaves: 0 of at most 10; empty: 0 of at most 10
        partial  1 slab, up to 5 stay even if empty
                 pfn N     11/16  ###########o....
        full     1 slab, on no list
                 pfn N      6/16  ooooooooo#o#####

#  in use                                  17
o  free, kept for a CPU or the node        11
.  free in its slab                         4
   32 objects in 2 slabs of 4 pages
)");
}

TEST_CASE("slob: a page of the heap has objects of several caches") {
    SlobModel model = small_machine<SlobModel>();
    void* const other = model.allocate({.size = 1000, .cpu = CpuId{0}});
    REQUIRE(other != nullptr);
    CHECK(without_pfns(things(model, 10, {3}, 0)) ==
          R"(things: objects of 512 bytes in the pages of SLOB's heap

node    pages    pfn N 1024/2048  ----------------.......+###############+.......+###############+
                 pfn N 1024/2048  ################################................................

#  in use                                2048
.  free in its slab                      1544
-  of others in the same pages            504
   3592 units of 2 bytes in 2 slabs of 2 pages
   A character stands for up to 32 units of 2 bytes, + for some in use.
)");
    CHECK(without_pfns(to_text(picture(model, "medium"))) ==
          R"(medium: a list of SLOB's heap, of objects of many sizes

node    list     2 pages, a search begins at the first
                 pfn N 1024/2048  ################################................................
                 pfn N 1528/2048  ###############+.......+###############+.......+###############+
        full     none

#  in use                                2552
.  free in its slab                      1544
   4096 units of 2 bytes in 2 slabs of 2 pages
   A character stands for up to 32 units of 2 bytes, + for some in use.
)");
}

TEST_CASE("what a CPU has nothing of is one word, and alike slabs are one line") {
    SlubModel model = small_machine<SlubModel>();
    auto& cache = model.objects().kmalloc_cache(4096, GFP_KERNEL);
    std::vector<void*> objects;
    for (int i = 0; i < 80; ++i) objects.push_back(model.allocate({.size = 4096, .cpu = CpuId{0}}));
    const std::string text = to_text(picture(model, cache.name));
    CHECK_THAT(text, Contains("\nCPU 1   nothing\n") && Contains(" slabs, on no list\n") &&
                         Contains(" all in use: pfn "));
}

TEMPLATE_TEST_CASE("pictures agree with slabinfo and with the objects that live", "", SlubModel, SheavesModel,
                   SlabModel) {
    test::UsedMachine<TestType> used;
    std::map<std::string, std::vector<std::string>> rows;
    for (const std::string& line : test::lines_in(used.text("slabinfo"))) {
        const auto words = test::words_in(line);
        rows[words.front()] = words;
    }
    const auto& caches = [&]() -> const auto& {
        if constexpr (std::is_same_v<TestType, SheavesModel>)
            return used.model.objects().slabs().caches();
        else
            return used.model.objects().caches();
    }
    ();
    const auto pictures = pictures_of(used.model);
    REQUIRE(pictures.size() == caches.size());
    std::uint64_t with_slabs = 0;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        const Totals sum = totals(pictures[i]);
        const auto& row = rows.at(pictures[i].name);
        CAPTURE(pictures[i].name);
        CHECK(sum.objects() == test::number_in(row[2]));
        CHECK(sum.slabs == test::number_in(row[14]));
        using Cache = typename TestType::Cache;
        CHECK(sum.in_use == static_cast<const Cache&>(*caches[i]).live());
        with_slabs += sum.slabs != 0 ? 1 : 0;
    }
    CHECK(with_slabs > 10);
}

TEST_CASE("pictures of slob have all pages of its heap, and all its objects") {
    SlobModel model = small_machine<SlobModel>();
    auto* const cache = model.kmem_cache_create({.name = "things", .size = 200});
    std::vector<void*> objects;
    for (int i = 0; i < 300; ++i) {
        objects.push_back(model.kmem_cache_alloc(*cache, GFP_KERNEL, CpuId{0}));
        (void)model.allocate({.size = static_cast<std::size_t>(40 + 7 * i), .cpu = CpuId{0}});
    }
    for (std::size_t i = 0; i < objects.size(); i += 3) model.kmem_cache_free(*cache, objects[i], CpuId{0});
    CHECK(totals(picture(model, "things")).in_use == 200 * 200 / slob_unit_bytes);
    std::uint64_t pages = 0;
    for (const char* list : {"small", "medium", "large"}) pages += totals(picture(model, list)).pages;
    CHECK(pages << page_shift == model.stats().held_bytes);
}

TEST_CASE("the list of caches has the largest first, and names those without a slab") {
    SlubModel model = small_machine<SlubModel>();
    for (int i = 0; i < 100; ++i) (void)model.allocate({.size = 64, .cpu = CpuId{0}});
    for (int i = 0; i < 100; ++i) (void)model.allocate({.size = 1024, .cpu = CpuId{0}});
    const std::string text = list_text(pictures_of(model));
    CHECK(text.find("kmalloc-1k") < text.find("kmalloc-64 "));
    CHECK_THAT(text, Contains("without a slab: ") && Contains("kmalloc-8,"));
}

// The tree of areas against plain searches, and against the shape that hand computation gives.
#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <vector>

#include "allocators/vmalloc/area_tree.hpp"

using namespace kmemlab;

namespace {

constexpr std::uint64_t page = page_size;

std::uint64_t step(std::uint64_t& x) {
    return x ^= x << 13, x ^= x >> 7, x ^= x << 17;
}

/// Areas by their start, each with its node.
class Areas {
  public:
    void add(std::uint64_t start, std::uint64_t end) {
        auto area = std::make_unique<VmapArea>(VmapArea{.start = start, .end = end});
        tree.insert(area.get());
        areas_[start] = std::move(area);
    }
    void drop(std::uint64_t start) {
        tree.remove(areas_.at(start).get());
        areas_.erase(start);
    }
    [[nodiscard]] const std::map<std::uint64_t, std::unique_ptr<VmapArea>>& all() const { return areas_; }

    AreaTree tree;

  private:
    std::map<std::uint64_t, std::unique_ptr<VmapArea>> areas_;
};

/// 1000 areas of 1 to 8 pages with holes between them, at random places, some of them gone again.
Areas random_areas(std::uint64_t seed) {
    Areas areas;
    std::uint64_t x = seed;
    while (areas.all().size() < 1000) {
        const std::uint64_t slot = step(x) % 4096;
        const std::uint64_t pages = 1 + step(x) % 8;
        if (areas.all().count(slot * 16 * page) == 0) areas.add(slot * 16 * page, (slot * 16 + pages) * page);
        if (step(x) % 3 == 0) areas.drop(areas.all().begin()->first);
    }
    return areas;
}

}  // namespace

TEST_CASE("a tree keeps order, colours and sizes whatever comes and goes") {
    Areas areas;
    std::uint64_t x = 99;
    for (int i = 0; i < 3000; ++i) {
        const std::uint64_t start = (step(x) % 512) * 4 * page;
        if (areas.all().count(start) != 0) {
            areas.drop(start);
        } else {
            areas.add(start, start + (1 + step(x) % 4) * page);
        }
        REQUIRE(areas.tree.find_fault() == "");
        REQUIRE(areas.tree.count() == areas.all().size());
    }
    auto expected = areas.all().begin();
    for (const VmapArea* area = areas.tree.first(); area != nullptr; area = AreaTree::next(area)) {
        CHECK(area == (expected++)->second.get());
    }
    CHECK(expected == areas.all().end());
    CHECK(AreaTree::next(areas.tree.last()) == nullptr);
    CHECK(AreaTree::previous(areas.tree.first()) == nullptr);
}

TEST_CASE("an area is found by each address in it and by no other") {
    Areas areas;
    areas.add(4 * page, 6 * page);
    areas.add(8 * page, 9 * page);
    CHECK(areas.tree.find(4 * page) == areas.all().at(4 * page).get());
    CHECK(areas.tree.find(6 * page - 1) == areas.all().at(4 * page).get());
    CHECK(areas.tree.find(6 * page) == nullptr);
    CHECK(areas.tree.find(4 * page - 1) == nullptr);
    CHECK(areas.tree.find(8 * page) == areas.all().at(8 * page).get());
}

TEST_CASE("without an alignment beyond a page the lowest area that fits is found") {
    const Areas areas = random_areas(5);
    for (const std::uint64_t lowest : {std::uint64_t{0}, 1000 * page, 30000 * page, 70000 * page}) {
        for (std::uint64_t pages = 1; pages <= 9; ++pages) {
            const VmapArea* wanted = nullptr;
            for (const auto& [start, area] : areas.all()) {
                if (wanted == nullptr && AreaTree::place_in(*area, pages * page, page, lowest)) {
                    wanted = area.get();
                }
            }
            CHECK(areas.tree.find_fit(pages * page, page, lowest, pages * page) == wanted);
        }
    }
}

TEST_CASE("with a larger alignment what is found fits, and whatever is long enough is not missed") {
    const Areas areas = random_areas(7);
    for (const std::uint64_t align : {2 * page, 4 * page, 64 * page}) {
        for (std::uint64_t pages = 1; pages <= 9; ++pages) {
            const std::uint64_t size = pages * page;
            const VmapArea* const found = areas.tree.find_fit(size, align, 0, size + align - 1);
            if (found != nullptr) CHECK(AreaTree::place_in(*found, size, align, 0));
            for (const auto& [start, area] : areas.all()) {
                if (area->size() >= size + align - 1) CHECK(found != nullptr);
            }
        }
    }
}

TEST_CASE("which area serves an aligned request depends on which is the root") {
    // A fits exactly, but promises too little to be walked into; B has room for all.
    const std::uint64_t size = 20480;
    const std::uint64_t align = 16384;
    Areas b_is_root;
    b_is_root.add(0x20000, 0x4000000);
    b_is_root.add(0x4000, 0x9000);
    CHECK(b_is_root.tree.find_fit(size, align, 0x4000, size + align - 1)->start == 0x20000);
    Areas a_is_root;
    a_is_root.add(0x4000, 0x9000);
    a_is_root.add(0x20000, 0x4000000);
    CHECK(a_is_root.tree.find_fit(size, align, 0x4000, size + align - 1)->start == 0x4000);
}

TEST_CASE("an area that is given back is joined with what lies beside it") {
    std::vector<VmapArea*> dropped;
    const auto drop = [&](VmapArea* area) { dropped.push_back(area); };
    VmapArea low{.start = 1 * page, .end = 2 * page};
    VmapArea high{.start = 3 * page, .end = 4 * page};
    VmapArea middle{.start = 2 * page, .end = 3 * page};
    VmapArea alone{.start = 9 * page, .end = 10 * page};
    AreaTree tree;
    for (VmapArea* area : {&low, &high, &alone}) tree.insert_joined(area, drop);
    CHECK(dropped.empty());
    tree.insert_joined(&middle, drop);
    CHECK(dropped == std::vector<VmapArea*>{&high, &middle});
    CHECK(tree.count() == 2);
    CHECK(low.start == 1 * page);
    CHECK(low.end == 4 * page);
    CHECK(tree.find_fault() == "");
}

TEST_CASE("a fault in the tree is told") {
    Areas areas = random_areas(11);
    CHECK(areas.tree.find_fault() == "");
    VmapArea* const area = areas.tree.first();
    const auto breaks = [&](auto& field, auto value, const char* what) {
        const auto before = std::exchange(field, value);
        CHECK_THAT(areas.tree.find_fault(), Catch::Contains(what));
        field = before;
        CHECK(areas.tree.find_fault() == "");
    };
    breaks(area->largest, std::uint64_t{1}, "largest");
    breaks(area->end, area->start, "empty");
    breaks(area->end, AreaTree::next(area)->start + 1, "largest size");
    breaks(areas.tree.root()->red, true, "root is red");
    breaks(areas.tree.root()->left->parent, area, "lies below itself");
    VmapArea* leaf = area;
    while (leaf->left != nullptr || leaf->right != nullptr)
        leaf = leaf->left != nullptr ? leaf->left : leaf->right;
    breaks(leaf->red, !leaf->red, "area 0x");
}

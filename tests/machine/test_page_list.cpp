#include <catch2/catch.hpp>

#include <algorithm>
#include <list>
#include <random>
#include <vector>

#include "allocators/machine/page_list.hpp"

using namespace kmemlab;

namespace {

struct Fixture {
    Arena arena{std::size_t{1} << 20};
    PageList list;

    std::vector<FrameIndex> members(std::uint64_t limit = 1000) {
        std::vector<FrameIndex> found;
        whole = list.walk(arena, limit, [&](FrameIndex i) { return found.push_back(i), true; });
        return found;
    }
    /// Members 10, 20, 30, 40, 50 from head to tail.
    void fill() {
        for (FrameIndex i = 10; i <= 50; i += 10) list.push_tail(arena, i);
    }
    /// What walk says of a list whose links were broken.
    bool walks() {
        members();
        return whole;
    }
    bool whole = false;
};

}  // namespace

TEST_CASE("a list behaves as a list under random operations") {
    Fixture f;
    std::list<FrameIndex> model;
    std::vector<bool> inside(f.arena.frames());
    std::mt19937_64 random{1};
    for (int step = 0; step < 20000; ++step) {
        const auto index = static_cast<FrameIndex>(random() % f.arena.frames());
        const std::uint64_t operation = random() % 5;
        if (operation < 2 && !inside[index]) {
            operation == 0 ? f.list.push_head(f.arena, index) : f.list.push_tail(f.arena, index);
            operation == 0 ? model.push_front(index) : model.push_back(index);
            inside[index] = true;
        } else if (operation == 2 && inside[index]) {
            f.list.remove(f.arena, index);
            model.remove(index);
            inside[index] = false;
        } else if (operation > 2 && !model.empty() && random() % 3 == 0) {
            const FrameIndex expected = operation == 3 ? model.front() : model.back();
            REQUIRE((operation == 3 ? f.list.pop_head(f.arena) : f.list.pop_tail(f.arena)) == expected);
            operation == 3 ? model.pop_front() : model.pop_back();
            inside[expected] = false;
        }
        REQUIRE(f.list.empty() == model.empty());
        REQUIRE(f.list.head() == (model.empty() ? no_frame : model.front()));
        REQUIRE(f.list.tail() == (model.empty() ? no_frame : model.back()));
        if (step % 50 != 0) continue;
        const auto members = f.members();
        REQUIRE(f.whole);
        REQUIRE(std::equal(members.begin(), members.end(), model.begin(), model.end()));
    }
}

TEST_CASE("an empty list is walked without a visit") {
    Fixture f;
    CHECK(f.members().empty());
    CHECK(f.whole);
}

TEST_CASE("a walk ends where its visitor says") {
    Fixture f;
    f.fill();
    int visits = 0;
    CHECK(f.list.walk(f.arena, 100, [&](FrameIndex i) { return ++visits, i != 30; }));
    CHECK(visits == 3);
}

TEST_CASE("a list longer than the limit is not walked to its end") {
    Fixture f;
    f.fill();
    CHECK(f.members(5).size() == 5);
    CHECK(f.whole);
    CHECK(f.members(4).size() == 4);
    CHECK_FALSE(f.whole);
    CHECK(f.members(0).empty());
    CHECK_FALSE(f.whole);
}

TEST_CASE("a next link beyond the arena is not followed") {
    for (const FrameIndex bad : {FrameIndex{256}, FrameIndex{257}, FrameIndex{1} << 31, no_frame - 1}) {
        Fixture f;
        f.fill();
        f.arena.page_at(30).next = bad;
        CHECK_FALSE(f.walks());
    }
}

TEST_CASE("a next link to a frame that is not on the list is seen") {
    Fixture f;
    f.fill();
    f.arena.page_at(30).next = 99;
    CHECK_FALSE(f.walks());
}

TEST_CASE("a next link that leaves members out is seen") {
    Fixture f;
    f.fill();
    f.arena.page_at(20).next = 40;
    CHECK_FALSE(f.walks());
}

TEST_CASE("a next link that ends the list early is seen") {
    Fixture f;
    f.fill();
    f.arena.page_at(30).next = no_frame;
    CHECK_FALSE(f.walks());
}

TEST_CASE("a ring is left, wherever it closes") {
    for (const FrameIndex back : {10U, 20U, 30U, 40U, 50U}) {
        Fixture f;
        f.fill();
        f.arena.page_at(50).next = back;
        CHECK_FALSE(f.walks());
    }
}

TEST_CASE("a prev link that points elsewhere is seen") {
    for (const FrameIndex bad : {FrameIndex{10}, FrameIndex{99}, FrameIndex{5000}, no_frame}) {
        Fixture f;
        f.fill();
        f.arena.page_at(40).prev = bad;
        CHECK_FALSE(f.walks());
    }
}

TEST_CASE("the prev link of the head means nothing") {
    Fixture f;
    f.fill();
    f.arena.page_at(10).prev = 12345;
    CHECK(f.walks());
}

TEST_CASE("a list that was cleared is empty, and its members' links stay") {
    Fixture f;
    f.fill();
    f.list.clear();
    CHECK(f.list.empty());
    CHECK(f.arena.page_at(10).next == 20);
}

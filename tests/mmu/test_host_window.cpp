// Where windows lie, who gets a place, and what happens to what is there already.
#include <sys/mman.h>

#include <catch2/catch.hpp>

#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "allocators/machine/arena.hpp"
#include "allocators/mmu/host_window.hpp"
#include "tests/support/child.hpp"

using namespace kmemlab;

namespace {

using Way = HostWindow::Way;

char* pointer(VirtAddr at) {
    return reinterpret_cast<char*>(at.value());
}

/// Whether an access ends a process.
bool faults(VirtAddr at) {
    return test::run_in_child([&] { *static_cast<volatile char*>(pointer(at)) = 1; }).signal == SIGSEGV;
}

/// False, and says why: this machine, or a sanitizer, has no holes.
bool holes_exist() {
    const bool exist = HostWindow{order_1g.bytes()}.way() == Way::hole;
    if (!exist) WARN("skipped: no hole is to be had here");
    return exist;
}

/// Memory of somebody else's at an address, for a while.
class Foreign {
  public:
    explicit Foreign(VirtAddr at)
        : memory_{mmap(pointer(at), page_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)} {
        REQUIRE(memory_ == pointer(at));
        std::strcpy(text(), "foreign");
    }
    ~Foreign() { munmap(memory_, page_size); }
    Foreign(const Foreign&) = delete;
    Foreign& operator=(const Foreign&) = delete;
    [[nodiscard]] char* text() const { return static_cast<char*>(memory_); }

  private:
    void* memory_;
};

}  // namespace

TEST_CASE("a piece shows its file until it is cleared") {
    const auto way = GENERATE(Way::hole, Way::kept);
    Arena arena{16 * page_size};
    const HostWindow window{order_1g.bytes(), way};
    const VirtAddr at = window.range().begin.plus_pages(3);
    CHECK(faults(at));
    REQUIRE(window.map(at, {.file = arena.memfd(), .offset = 2 * page_size, .bytes = 2 * page_size}));
    std::strcpy(pointer(at.plus_pages(1)), "shown");
    CHECK(std::string{reinterpret_cast<char*>(arena.address(arena.start() + 3))} == "shown");
    CHECK(faults(at.plus_pages(2)));
    CHECK(window.clear(window.range().begin, at.plus_pages(1)));
    CHECK(faults(at));
    CHECK(std::string{pointer(at.plus_pages(1))} == "shown");
    CHECK(window.clear(at, at.plus_pages(2)));
    CHECK(faults(at.plus_pages(1)));
}

TEST_CASE("a piece that the kernel refuses leaves an address that faults and can be used") {
    const auto way = GENERATE(Way::hole, Way::kept);
    Arena arena{page_size};
    const HostWindow window{order_1g.bytes(), way};
    const VirtAddr at = window.range().begin;
    CHECK_FALSE(window.map(at, {.file = arena.memfd(), .offset = 1, .bytes = page_size}));
    CHECK(faults(at));
    CHECK(window.map(at, {.file = arena.memfd(), .bytes = page_size}));
}

TEST_CASE("windows of all sizes lie apart, with a page below each that faults") {
    std::vector<std::unique_ptr<HostWindow>> windows;
    for (const unsigned gib : {64U, 1U, 3U, 65U, 1U, 64U}) {
        for (const auto way : {Way::hole, Way::kept}) {
            windows.push_back(std::make_unique<HostWindow>((gib << 30U) * std::size_t{1}, way));
        }
    }
    for (const auto& window : windows) {
        const auto [begin, end] = window->range();
        CHECK(begin.is_aligned(order_1g));
        CHECK(faults(VirtAddr{begin.value() - 1}));
        for (const auto& other : windows) {
            if (other == window) continue;
            CHECK((other->range().end < begin || other->range().begin > end));
        }
    }
}

TEST_CASE("a window is kept if that is wanted, or if it is larger than a slot") {
    CHECK(HostWindow{order_1g.bytes(), Way::kept}.way() == Way::kept);
    CHECK(HostWindow{std::size_t{65} << 30}.way() == Way::kept);
    CHECK_THROWS_AS(HostWindow{std::size_t{1} << 60}, UsageError);
}

TEST_CASE("a place is to be had again when its window is gone") {
    if (!holes_exist()) return;
    const AddressRange first = HostWindow{order_1g.bytes()}.range();
    const HostWindow second{2 * order_1g.bytes()};
    CHECK(second.range().begin == first.begin);
}

TEST_CASE("windows are kept when all slots are taken") {
    if (!holes_exist()) return;
    std::vector<std::unique_ptr<HostWindow>> windows;
    do {
        windows.push_back(std::make_unique<HostWindow>(order_1g.bytes()));
    } while (windows.back()->way() == Way::hole && windows.size() < 1000);
    CHECK(windows.size() > 300);
    CHECK(windows.back()->way() == Way::kept);
}

TEST_CASE("a slot in which somebody has memory is passed over, and the memory spared") {
    if (!holes_exist()) return;
    const VirtAddr place = HostWindow{order_1g.bytes()}.range().begin;
    const Foreign foreign{place.plus_pages(5)};
    const HostWindow window{order_1g.bytes()};
    CHECK(window.way() == Way::hole);
    CHECK(window.range().begin > place);
    CHECK(std::string{foreign.text()} == "foreign");
}

TEST_CASE("a piece never replaces what somebody put into a hole") {
    if (!holes_exist()) return;
    Arena arena{4 * page_size};
    const HostWindow window{order_1g.bytes()};
    const VirtAddr at = window.range().begin;
    const Foreign foreign{at.plus_pages(2)};
    CHECK_FALSE(window.map(at, {.file = arena.memfd(), .bytes = 4 * page_size}));
    CHECK(faults(at));
    CHECK(std::string{foreign.text()} == "foreign");
    CHECK(window.map(at, {.file = arena.memfd(), .bytes = 2 * page_size}));
}

TEST_CASE("a mapping that asks for no address never comes to lie in a hole") {
    if (!holes_exist()) return;
    const HostWindow window{order_1g.bytes()};
    for (std::size_t bytes = page_size; bytes <= std::size_t{1} << 40; bytes *= 2) {
        void* const p = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) break;  // more than the process may have
        CHECK(reinterpret_cast<std::uintptr_t>(p) > std::size_t{42} << 40);
        munmap(p, bytes);
    }
}

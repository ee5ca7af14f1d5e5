// vmalloc over the software MMU, whose translations can be looked at.
#include <catch2/catch.hpp>

#include <vector>

#include "allocators/mmu/soft_mmu.hpp"
#include "allocators/vmalloc/vmalloc.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};

struct Fixture {
    explicit Fixture(const VmallocConfig& config = {}, std::uint64_t window_pages = vmalloc_window(4).pages())
        : mmu{arena, {.cpus = 2, .window = begin_of_window(window_pages)}},
          vm{pages, mmu, cpus, config, log} {}

    static AddressRange begin_of_window(std::uint64_t count) {
        const VirtAddr begin = vmalloc_window(4).begin;
        return {begin, begin.plus_pages(count)};
    }

    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    SoftMmu mmu;
    OwnedCpus cpus{2};
    std::vector<Misuse> misuses;
    MisuseLog log = MisuseLog::keep_going([this](const Misuse& misuse) { misuses.push_back(misuse); });
    Vmalloc<OwnedCpus, SoftMmu> vm;

    /// Kind and words of the only misuse since the last question.
    std::string told() {
        REQUIRE(misuses.size() == 1);
        const Misuse misuse = misuses.front();
        misuses.clear();
        return std::string{to_string(misuse.kind)} + ": " + misuse.report;
    }
    std::uint64_t page_of(std::optional<VirtAddr> at) const { return at->page() - mmu.window().begin.page(); }
    std::string violation() const {
        const auto found = vm.find_violation();
        return found ? found->message() : "";
    }
};

std::vector<Pfn> frames_from(Fixture& f, std::size_t count) {
    std::vector<Pfn> frames;
    while (frames.size() < count) frames.push_back(*f.pages.take(Order{0}, GFP_KERNEL, cpu));
    return frames;
}

}  // namespace

TEST_CASE("vmalloc maps single frames at consecutive addresses, with a guard page behind") {
    Fixture f;
    const VirtAddr at = *f.vm.vmalloc(5 * page_size - 100, cpu);
    CHECK(f.page_of(at) == 0);
    CHECK(f.vm.usable_size(at, cpu) == 5 * page_size);
    CHECK(f.vm.nr_vmalloc_pages() == 5);
    for (std::uint64_t i = 0; i < 5; ++i) CHECK(f.vm.vmalloc_to_page(at.plus_pages(i)));
    CHECK_FALSE(f.vm.vmalloc_to_page(at.plus_pages(5)));
    CHECK_FALSE(f.mmu.touch(at.plus_pages(5), cpu));
    CHECK(f.page_of(f.vm.vmalloc(1, cpu)) == 6);
    CHECK(f.violation() == "");
}

TEST_CASE("vfree gives frames back at once and addresses after a purge") {
    Fixture f;
    const VirtAddr at = *f.vm.vmalloc(5 * page_size, cpu);
    f.vm.vfree(at, cpu);
    CHECK(f.pages.held_pages() == 0);
    CHECK(f.vm.nr_vmalloc_pages() == 0);
    CHECK(f.vm.space().lazy_pages() == 6);
    CHECK(f.page_of(f.vm.vmalloc(page_size, cpu)) == 6);
    f.vm.vm_unmap_aliases(cpu);
    CHECK(f.vm.space().lazy_pages() == 0);
    CHECK(f.page_of(f.vm.vmalloc(page_size, cpu)) == 0);
    CHECK(f.violation() == "");
}

TEST_CASE("without laziness each vfree purges") {
    Fixture f{{.lazy = false}};
    f.vm.vfree(*f.vm.vmalloc(page_size, cpu), cpu);
    CHECK(f.vm.space().lazy_pages() == 0);
    CHECK(f.mmu.stats().flushes == 1);
}

TEST_CASE("the addresses of freed memory are translated by no CPU after a purge") {
    Fixture f;
    const VirtAddr at = *f.vm.vmalloc(3 * page_size, cpu);
    for (unsigned c = 0; c < 2; ++c) CHECK(f.mmu.touch(at.plus_pages(1), CpuId{c}));
    f.vm.vfree(at, cpu);
    CHECK(f.mmu.touch(at.plus_pages(1), CpuId{1}));  // its TLB still knows: what laziness means
    f.vm.vm_unmap_aliases(cpu);
    for (unsigned c = 0; c < 2; ++c) CHECK_FALSE(f.mmu.touch(at.plus_pages(1), CpuId{c}));
    CHECK(f.violation() == "");
}

TEST_CASE("sizes of nothing and beyond all memory are refused without an area") {
    Fixture f;
    CHECK_FALSE(f.vm.vmalloc(0, cpu));
    CHECK_FALSE(f.vm.vmalloc(f.arena.bytes() + 1, cpu));
    CHECK_FALSE(f.vm.vmalloc(~std::size_t{0}, cpu));
    CHECK(f.vm.space().lazy_pages() == 0);
    CHECK(f.vm.stats().allocations[static_cast<std::size_t>(Path::failed)] == 3);
}

TEST_CASE("when frames end in the midst, all is given back and the call fails") {
    Fixture f;
    f.pages.fail_after(7);
    CHECK_FALSE(f.vm.vmalloc(10 * page_size, cpu));
    CHECK(f.pages.held_pages() == 0);
    CHECK(f.vm.nr_vmalloc_pages() == 0);
    CHECK(f.violation() == "");
    f.pages.fail_never();
    CHECK(f.vm.vmalloc(10 * page_size, cpu));
}

TEST_CASE("the array of frames takes an area of its own beyond 512 pages") {
    Fixture f;
    const VirtAddr at = *f.vm.vmalloc(513 * page_size, cpu);
    CHECK(f.vm.nr_vmalloc_pages() == 513 + 2);
    CHECK(f.page_of(f.vm.vmalloc(page_size, cpu)) == 514 + 3);
    f.vm.vfree(at, cpu);
    CHECK(f.vm.nr_vmalloc_pages() == 1);
    CHECK(f.violation() == "");
}

TEST_CASE("vmalloc_huge maps by 2 MiB and falls back to pages") {
    Fixture f;
    const VirtAddr huge = *f.vm.vmalloc_huge(3 << 20, GFP_KERNEL, cpu);
    CHECK(huge.is_aligned(order_2m));
    CHECK(f.mmu.stats().huge_leaves == 2);
    CHECK(f.vm.usable_size(huge, cpu) == 4 << 20);
    CHECK(f.violation() == "");
    f.pages.limit_order(Order{8});
    const VirtAddr small = *f.vm.vmalloc_huge(3 << 20, GFP_KERNEL, cpu);
    CHECK(f.mmu.stats().huge_leaves == 2);
    CHECK(f.vm.usable_size(small, cpu) == 3 << 20);
    CHECK(f.vm.space().lazy_pages() == 1025 + 3);  // the failed try, and its array of frames
    f.vm.vfree(huge, cpu);
    f.vm.vfree(small, cpu);
    CHECK(f.pages.held_pages() == 0);
    CHECK(f.violation() == "");
}

TEST_CASE("vmap maps frames of the caller's, which stay his") {
    Fixture f;
    const std::vector<Pfn> frames = frames_from(f, 9);
    const VirtAddr at = *f.vm.vmap(frames, cpu);
    for (std::uint64_t i = 0; i < frames.size(); ++i)
        CHECK(f.vm.vmalloc_to_page(at.plus_pages(i)) == frames[i]);
    CHECK(f.violation() == "");
    f.vm.vunmap(at, cpu);
    CHECK(f.pages.held_pages() == 9);
    CHECK(f.vm.space().lazy_pages() == 10);
    CHECK(f.violation() == "");
}

TEST_CASE("vm_map_ram uses blocks up to 64 pages and an area beyond, without guard") {
    Fixture f;
    const std::vector<Pfn> frames = frames_from(f, 65);
    const VirtAddr small = *f.vm.vm_map_ram({frames.data(), 3}, cpu);
    CHECK(f.vm.vmalloc_to_page(small.plus_pages(2)) == frames[2]);
    const VirtAddr large = *f.vm.vm_map_ram(frames, cpu);
    CHECK(f.page_of(large) == 1024);
    CHECK(f.page_of(f.vm.vmalloc(1, cpu)) == 1024 + 65);
    CHECK(f.violation() == "");
    f.vm.vm_unmap_ram(small, 3, cpu);
    f.vm.vm_unmap_ram(large, 65, cpu);
    CHECK(f.vm.space().lazy_pages() == 65);
    f.vm.vm_unmap_aliases(cpu);
    CHECK(f.vm.blocks().blocks() == 0);
    CHECK(f.vm.space().lazy_pages() == 0);
    CHECK(f.violation() == "");
}

TEST_CASE("blocks in which nothing lives make room before a request is refused") {
    const unsigned nodes = GENERATE(1U, most_vmap_nodes);
    Fixture f{{.most_nodes = nodes}, 1024};
    const std::vector<Pfn> frames = frames_from(f, 1);
    const CpuId other{1};
    const VirtAddr small = *f.vm.vm_map_ram(frames, cpu);
    REQUIRE_FALSE(f.vm.vmalloc(page_size, other));
    f.vm.vm_unmap_ram(small, 1, cpu);
    const auto area = f.vm.vmalloc(page_size, other);
    REQUIRE(area);
    CHECK(f.vm.blocks().blocks() == 0);
    CHECK_FALSE(f.vm.vm_map_ram(frames, cpu));
    f.vm.vfree(*area, other);
    // Of 64 pages each: what is left of this CPU's block is too small, and a second one has no place.
    const std::vector<Pfn> many(64, frames[0]);
    const VirtAddr one = *f.vm.vm_map_ram(frames, cpu);
    for (int i = 0; i < 15; ++i) f.vm.vm_unmap_ram(*f.vm.vm_map_ram(many, cpu), 64, cpu);
    CHECK_FALSE(f.vm.vm_map_ram(many, cpu));
    f.vm.vm_unmap_ram(one, 1, cpu);
    CHECK(f.vm.vm_map_ram(many, cpu));
    CHECK(f.violation() == "");
}

TEST_CASE("what cannot be given back is reported, with what it is, and left alone") {
    Fixture f;
    const VirtAddr at = *f.vm.vmalloc(2 * page_size, cpu);
    const VirtAddr map = *f.vm.vmap(frames_from(f, 2), cpu);
    const auto shown = [](VirtAddr address) { return fmt::format("{:#x}", address.value()); };
    f.vm.vfree(at.plus_pages(1), cpu);
    CHECK(f.told() ==
          "interior pointer: vfree: " + shown(at.plus_pages(1)) + " is not where its area begins\n");
    f.vm.vfree(map, cpu);
    CHECK(f.told() == "wrong cache: vfree: " + shown(map) + " was given by another call\n");
    f.vm.vunmap(at, cpu);
    CHECK(f.told() == "wrong cache: vunmap: " + shown(at) + " was given by another call\n");
    CHECK(f.vm.nr_vmalloc_pages() == 2);
    CHECK(f.violation() == "");
    f.vm.vfree(at, cpu);
    for (const VirtAddr none : {at, at.plus_pages(100)}) {
        f.vm.vfree(none, cpu);
        CHECK(f.told() ==
              "foreign pointer: vfree: " + shown(none) + " was never given, or is free already\n");
    }
    CHECK(f.violation() == "");
}

TEST_CASE("vm_unmap_ram of what nobody mapped is reported before it does damage") {
    Fixture f;
    const std::vector<Pfn> frames = frames_from(f, 65);
    const VirtAddr at = *f.vm.vm_map_ram({frames.data(), 3}, cpu);
    const VirtAddr large = *f.vm.vm_map_ram(frames, cpu);
    const VirtAddr area = *f.vm.vmalloc(3 * page_size, cpu);
    const VirtAddr huge = *f.vm.vmalloc_huge(order_2m.bytes(), GFP_KERNEL, cpu);
    struct Bad {
        VirtAddr at;
        std::uint64_t pages;
        MisuseKind kind;
    };
    for (const auto& [bad, pages, kind] : {
             Bad{at, 0, MisuseKind::wrong_order},
             Bad{at, 2, MisuseKind::wrong_order},
             Bad{at, 4, MisuseKind::wrong_order},  // one more than are mapped
             Bad{at + 8, 3, MisuseKind::interior_pointer},
             Bad{at.plus_pages(1), 2, MisuseKind::interior_pointer},
             Bad{at.plus_pages(3), 1, MisuseKind::interior_pointer},
             Bad{at.plus_pages(4), 1, MisuseKind::interior_pointer},  // never given
             Bad{at, 65, MisuseKind::wrong_order},
             Bad{large, 64, MisuseKind::wrong_order},
             Bad{large, 66, MisuseKind::wrong_order},
             Bad{large.plus_pages(1), 64, MisuseKind::interior_pointer},
             Bad{area, 0, MisuseKind::wrong_cache},
             Bad{area, 1, MisuseKind::wrong_cache},
             Bad{area.plus_pages(1), 1, MisuseKind::interior_pointer},
             Bad{huge.plus_pages(1), 1, MisuseKind::interior_pointer},
             Bad{huge.plus_pages(5000), 1, MisuseKind::foreign_pointer},
         }) {
        CAPTURE(bad.value(), pages);
        f.vm.vm_unmap_ram(bad, pages, cpu);
        CHECK_THAT(f.told(), Catch::StartsWith(std::string{to_string(kind)} + ": vm_unmap_ram"));
        CHECK(f.violation() == "");
    }
    f.vm.vm_unmap_ram(at, 3, cpu);
    f.vm.vm_unmap_ram(large, 65, cpu);
    CHECK(f.misuses.empty());
    f.vm.vm_unmap_ram(at, 3, cpu);
    CHECK_THAT(f.told(), Catch::StartsWith("double free"));
    f.vm.vm_unmap_ram(large, 65, cpu);
    CHECK_THAT(f.told(), Catch::StartsWith("foreign pointer"));
    CHECK(f.violation() == "");
    f.vm.vm_unmap_aliases(cpu);
    f.vm.vm_unmap_ram(at, 3, cpu);
    CHECK_THAT(f.told(), Catch::StartsWith("foreign pointer"));
    CHECK(f.violation() == "");
}

TEST_CASE("vmallocinfo lists areas by address, then what waits") {
    Fixture f;
    const VirtAddr at = *f.vm.vmalloc(2 * page_size, cpu);
    (void)f.vm.vmap(frames_from(f, 1), cpu);
    (void)f.vm.vm_map_ram(frames_from(f, 1), cpu);
    (void)f.vm.vmalloc(page_size, cpu);
    f.vm.vfree(at, cpu);
    CHECK(f.vm.vmallocinfo() ==
          "0xffffc90000003000-0xffffc90000005000    8192 vmap\n"
          "0xffffc90000005000-0xffffc90000007000    8192 pages=1 vmalloc\n"
          "0xffffc90000400000-0xffffc90000800000 4194304 vm_map_ram\n"
          "0xffffc90000000000-0xffffc90000003000   12288 unpurged vm_area\n");
}

TEST_CASE("random use of all calls breaks no law and leaves nothing behind") {
    Fixture f{{.lazy_max_pages = 300}};
    struct Mapping {
        VirtAddr at;
        std::uint64_t pages;
        unsigned kind;
    };
    const std::vector<Pfn> frames = frames_from(f, 100);
    std::vector<Mapping> live;
    std::uint64_t x = 3;
    const auto draw = [&](std::uint64_t below) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        return x % below;
    };
    const auto end = [&](std::size_t i) {
        std::swap(live[i], live.back());
        const Mapping m = live.back();
        live.pop_back();
        const CpuId on{static_cast<unsigned>(draw(2))};
        if (m.kind == 0) f.vm.vfree(m.at, on);
        if (m.kind == 1) f.vm.vunmap(m.at, on);
        if (m.kind == 2) f.vm.vm_unmap_ram(m.at, m.pages, on);
    };
    for (int i = 0; i < 3000; ++i) {
        if (live.size() < 10 || draw(100) < 50) {
            const auto kind = static_cast<unsigned>(draw(3));
            const std::uint64_t pages = 1 + draw(kind == 0 ? 40 : 90);
            const std::span<const Pfn> some{frames.data(), pages};
            const CpuId on{static_cast<unsigned>(draw(2))};
            const auto at = kind == 0   ? f.vm.vmalloc(pages * page_size, on)
                            : kind == 1 ? f.vm.vmap(some, on)
                                        : f.vm.vm_map_ram(some, on);
            REQUIRE(at);
            live.push_back({*at, pages, kind});
        } else {
            end(draw(live.size()));
        }
        if (i % 50 == 0) REQUIRE(f.violation() == "");
    }
    while (!live.empty()) end(0);
    f.vm.drain(cpu);
    CHECK(f.violation() == "");
    CHECK(f.pages.held_pages() == 100);
    CHECK(f.vm.blocks().blocks() == 0);
    CHECK(f.vm.space().busy().empty());
    CHECK(f.log.count() == 0);
}

TEST_CASE("an area whose translations are not its frames is named") {
    Fixture f;
    const VirtAddr at = *f.vm.vmalloc(3 * page_size, cpu);
    const Pfn other = frames_from(f, 1).front();
    REQUIRE(f.violation() == "");
    SECTION("a page that is not mapped") {
        f.mmu.unmap(at.plus_pages(1), 1, cpu);
        CHECK_THAT(f.violation(), Catch::Contains("V5"));
    }
    SECTION("a page of somebody else's") {
        f.mmu.unmap(at.plus_pages(1), 1, cpu);
        f.mmu.flush(at, at.plus_pages(3), cpu);
        REQUIRE(f.mmu.map(at.plus_pages(1), {&other, 1}, cpu));
        CHECK_THAT(f.violation(), Catch::Contains("V5"));
    }
    SECTION("a guard that is mapped") {
        REQUIRE(f.mmu.map(at.plus_pages(3), {&other, 1}, cpu));
        CHECK_THAT(f.violation(), Catch::Contains("V5"));
    }
}

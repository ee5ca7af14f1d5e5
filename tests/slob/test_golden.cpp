#include <catch2/catch.hpp>

#include <bit>

#include "tests/slob/golden_replay.hpp"
#include "tests/support/golden.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

template <class Cpus>
void replay_all(std::initializer_list<const char*> names, const SlobConfig& config) {
    for (const char* name : names) {
        const std::string text = read_golden(fmt::format("linux-6.1-slob/{}.csv.zst", name));
        const ReplayResult result = GoldenReplay<Cpus>{text, config}.run();
        INFO(name);
        CHECK(result.rows > 20000);
        CHECK(result.difference == "");
    }
}

constexpr SlobConfig tracked{.track = true};
constexpr SlobConfig untracked{.track = false};
constexpr std::initializer_list<const char*> slabtraces{"slabtrace-32",  "slabtrace-100", "slabtrace-192",
                                                        "slabtrace-512", "slabtrace-620", "slabtrace-1000",
                                                        "slabtrace-4096"};

}  // namespace

TEST_CASE("objects lie where Linux 6.1 put them, row by row") {
    replay_all<OwnedCpus>(slabtraces, tracked);
}

TEST_CASE("neither the ledger nor the context changes a decision") {
    replay_all<OwnedCpus>({"slabtrace-32", "slabtrace-620"}, untracked);
    replay_all<SimulatedCpus>({"slabtrace-192", "slabtrace-1000"}, untracked);
}

TEST_CASE("bulk operations decide as Linux 6.1 did, row by row") {
    replay_all<OwnedCpus>({"bulktrace-256"}, tracked);
}

TEST_CASE("the replay finds a golden row that is not true") {
    std::string text = read_golden("linux-6.1-slob/slabtrace-192.csv.zst");
    SECTION("an offset") {
        const auto row = text.find("\n5000,");
        const auto next = text.find('\n', row + 1);
        auto comma = text.rfind(',', text.rfind(',', next) - 1);
        text[comma - 1] = text[comma - 1] == '8' ? '6' : '8';
    }
    SECTION("a page that went back") {
        const auto row = text.find(",D,");
        text.erase(text.rfind('\n', row), text.find('\n', row) - text.rfind('\n', row));
    }
    CHECK(GoldenReplay<OwnedCpus>(text, untracked).run().difference != "");
}

TEST_CASE("geometry is that of Linux 6.1 for every size and alignment observed") {
    const std::string text = read_golden("linux-6.1-slob/geometry.csv.zst");
    std::size_t rows = 0;
    for (const std::string_view line : lines_of(text)) {
        if (line.starts_with('#') || line.starts_with("size,")) continue;
        const auto row = fields_of(line);
        const CacheFlags flags = row[2] == "1" ? CacheFlags::hwcache_align : CacheFlags::none;
        const SlobGeometry g = slob_geometry(static_cast<std::size_t>(number(row[0])),
                                             static_cast<std::size_t>(number(row[1])), flags);
        const auto list = g.pages() ? "pages" : to_string(slob_list(g.size));
        REQUIRE(fmt::format("{},{},{},{},{},{},{}", row[0], row[1], row[2], g.size, g.object_size, g.align,
                            list) == line);
        ++rows;
    }
    CHECK(rows > 1000);
}

TEST_CASE("kmalloc serves each size from where Linux 6.1 took it") {
    Arena arena{std::size_t{64} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{1};
    MisuseLog log;
    Slob<OwnedCpus> slob{pages, cpus, tracked, log};
    const std::string text = read_golden("linux-6.1-slob/kmalloc.csv.zst");
    CHECK(number(parameter(text, "kmalloc(0)")) == reinterpret_cast<std::intptr_t>(zero_size_ptr()));
    std::size_t rows = 0;
    for (const std::string_view line : lines_of(text)) {
        if (line.starts_with('#') || line.starts_with("type,")) continue;
        const auto row = fields_of(line);
        const Gfp gfp = row[0] == "reclaimable" ? GFP_KERNEL | __GFP_RECLAIMABLE
                        : row[0] == "account"   ? GFP_KERNEL_ACCOUNT
                                                : GFP_KERNEL;
        const auto size = static_cast<std::size_t>(std::stoull(std::string{row[1]}));
        void* const p = slob.kmalloc(size, gfp, CpuId{0});
        std::string from = "-";
        std::string result = p == nullptr ? "NULL" : "ZERO_SIZE_PTR(16)";
        if (!is_zero_or_null(p)) {
            const PageState state = arena.page(arena.pfn(p)).load_state();
            from = state.kind == PageKind::slab ? "slob" : fmt::format("pages-order{}", state.order);
            result = "OK";
        }
        INFO(line);
        CHECK(result == row[2]);
        REQUIRE(slob.ksize(p) == static_cast<std::size_t>(number(row[3])));
        REQUIRE(from == row[4]);
        const std::size_t align = std::has_single_bit(size) ? std::min(size, page_size) : 0;
        if (result == "OK") {
            CHECK(number(row[5]) == static_cast<std::int64_t>(align));
            if (align != 0) CHECK(reinterpret_cast<std::uintptr_t>(p) % align == 0);
        }
        slob.kfree(p, CpuId{0});
        ++rows;
    }
    CHECK(rows > 100);
    CHECK(pages.held_pages() == 0);
}

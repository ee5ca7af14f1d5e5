#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>

#include "allocators/slub/slub.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
constexpr CacheFlags all_checks =
    CacheFlags::consistency_checks | CacheFlags::red_zone | CacheFlags::poison | CacheFlags::store_user;

/// A machine that keeps its reports.
struct DebugMachine {
    explicit DebugMachine(const SlubConfig& config = {}) : slub{pages, cpus, config, log} {}

    Arena arena{std::size_t{16} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{1};
    std::vector<Misuse> reports;
    MisuseLog log = MisuseLog::keep_going([this](const Misuse& m) { reports.push_back(m); });
    Slub<OwnedCpus> slub;
};

}  // namespace

// That reports are counted and worded as the kernel's: tests/golden, linux-6.1-slub-debug.
TEST_CASE("a report names kind, cache, address, and owners by place and time") {
    DebugMachine machine;
    auto& cache = *machine.slub.kmem_cache_create({.name = "byte50", .size = 64, .flags = all_checks});
    auto* const p = static_cast<std::byte*>(machine.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
    machine.slub.kmem_cache_free(cache, p, cpu);
    p[50] = std::byte{0x9a};
    machine.slub.validate(cache, cpu);
    REQUIRE(machine.reports.size() == 1);
    const Misuse& misuse = machine.reports[0];
    CHECK(misuse.kind == MisuseKind::overwritten);
    CHECK(misuse.cache == "byte50");
    CHECK(misuse.address == p + 50);
    CHECK_THAT(misuse.report, Catch::Contains("Allocated in 0x") &&
                                  Catch::Contains(" age=1 cpu=0 pid=0\nFreed in 0x") &&
                                  Catch::Contains(" age=0 cpu=0"));
}

TEST_CASE("an object freed twice while others live is called a double free") {
    DebugMachine machine;
    auto& cache = *machine.slub.kmem_cache_create({.name = "twice", .size = 64, .flags = all_checks});
    void* const other = machine.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    void* const p = machine.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    machine.slub.kmem_cache_free(cache, p, cpu);
    machine.slub.kmem_cache_free(cache, p, cpu);
    REQUIRE(machine.reports.size() == 1);
    CHECK(machine.reports[0].kind == MisuseKind::double_free);
    CHECK(machine.reports[0].report.find("Object already free") != std::string::npos);
    CHECK(machine.reports[0].report.find("not freed") != std::string::npos);
    machine.slub.kmem_cache_free(cache, other, cpu);
    CHECK(machine.slub.find_violation() == std::nullopt);
}

TEST_CASE("a slab whose front object was overwritten is taken out of use, and allocation goes on") {
    DebugMachine machine;
    auto& cache = *machine.slub.kmem_cache_create({.name = "bad", .size = 64, .flags = all_checks});
    auto* const p = static_cast<std::byte*>(machine.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu));
    machine.slub.kmem_cache_free(cache, p, cpu);
    p[3] = std::byte{0};
    void* const next = machine.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    CHECK(next != nullptr);
    CHECK(machine.arena.pfn(next) != machine.arena.pfn(p));
    REQUIRE(machine.reports.size() == 1);
    CHECK(machine.reports[0].report.find("Marking all objects used") != std::string::npos);
}

TEST_CASE("a slab given up for overwritten bytes breaks no law") {
    const auto [option, offset] =
        GENERATE(std::pair{"FP", std::size_t{0}}, std::pair{"FZ", std::size_t{256}});  // poison, red zone
    DebugMachine machine{{.debug = option}};
    auto& cache = *machine.slub.kmem_cache_create({.name = "given-up", .size = 256});
    std::vector<void*> live(40);
    for (void*& p : live) p = machine.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu);
    auto* const p = static_cast<std::byte*>(live.back());
    machine.slub.kmem_cache_free(cache, p, cpu);
    p[offset] = std::byte{0x55};
    CHECK(machine.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu) != nullptr);
    REQUIRE(machine.reports.size() == 1);
    CHECK(machine.reports[0].kind == MisuseKind::overwritten);
    CHECK(machine.slub.find_violation() == std::nullopt);
}

TEST_CASE("debugging finds nothing where nothing is wrong") {
    DebugMachine machine{{.debug = "FZPU"}};
    std::vector<void*> live;
    std::uint64_t x = 88172645463325252;
    for (int i = 0; i < 5000; ++i) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        if (live.empty() || x % 5 < 3) {
            const std::size_t size = 1 + x % 700;
            void* const p = machine.slub.kmalloc(size, GFP_KERNEL, cpu);
            REQUIRE(p != nullptr);
            std::memset(p, 0xff, machine.slub.ksize(p));
            live.push_back(p);
        } else {
            std::swap(live[x / 8 % live.size()], live.back());
            machine.slub.kfree(live.back(), cpu);
            live.pop_back();
        }
        if (i % 500 == 0) REQUIRE(machine.slub.find_violation() == std::nullopt);
    }
    for (const auto& cache : machine.slub.caches()) machine.slub.validate(*cache, cpu);
    for (void* p : live) machine.slub.kfree(p, cpu);
    machine.slub.drain(cpu);
    CHECK(machine.reports.empty());
    CHECK(machine.slub.find_violation() == std::nullopt);
    CHECK(machine.pages.held_pages() == 0);
}

TEST_CASE("a traced cache tells each operation") {
    DebugMachine machine;
    std::string lines;
    machine.slub.set_trace_listener([&](std::string_view line) { lines += line; });
    auto& cache = *machine.slub.kmem_cache_create({.name = "seen", .size = 64, .flags = CacheFlags::trace});
    machine.slub.kmem_cache_free(cache, machine.slub.kmem_cache_alloc(cache, GFP_KERNEL, cpu), cpu);
    CHECK(std::count(lines.begin(), lines.end(), '\n') == 2);
    CHECK(lines.starts_with("TRACE seen alloc 0x"));
    CHECK(lines.find("TRACE seen free 0x") != std::string::npos);
}

#include <catch2/catch.hpp>

#include <map>
#include <memory>

#include "allocators/slub/slub.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

constexpr CpuId cpu{0};
constexpr CacheFlags all_checks =
    CacheFlags::consistency_checks | CacheFlags::red_zone | CacheFlags::poison | CacheFlags::store_user;

/// A machine that counts reports as the kernel's self-test does, and keeps their text.
struct DebugMachine {
    explicit DebugMachine(const SlubConfig& config = {}) : slub{pages, cpus, config, log} {}

    void note(const Misuse& misuse) {
        reports.push_back(misuse);
        for (const std::string_view line : lines_of(misuse.report)) {
            if (line.starts_with("BUG")) ++bugs;
            if (line.starts_with("FIX")) ++fixes;
        }
    }
    /// "BUG lines, FIX lines" since the call before.
    std::string counts() { return fmt::format("{},{}", std::exchange(bugs, 0), std::exchange(fixes, 0)); }

    Arena arena{std::size_t{16} << 20};
    BumpPages pages{arena};
    OwnedCpus cpus{1};
    std::vector<Misuse> reports;
    int bugs = 0;
    int fixes = 0;
    MisuseLog log = MisuseLog::keep_going([this](const Misuse& m) { note(m); });
    Slub<OwnedCpus> slub;
};

/// One case of the golden self-tests: the counts of each step.
class SelfTest {
  public:
    SelfTest(const std::string& name, CacheFlags flags)
        : cache_{machine_->slub.kmem_cache_create({.name = name, .size = 64, .flags = flags})} {}

    std::byte* alloc() {
        return static_cast<std::byte*>(machine_->slub.kmem_cache_alloc(*cache_, GFP_KERNEL, cpu));
    }
    std::byte* freed() {
        std::byte* const p = alloc();
        free(p);
        return p;
    }
    void free(void* p) { machine_->slub.kmem_cache_free(*cache_, p, cpu); }
    void validate_step() {
        machine_->slub.validate(*cache_, cpu);
        step();
    }
    void destroy_step() {
        destroyed = machine_->slub.kmem_cache_destroy(*cache_, cpu);
        step();
    }
    void step() { steps.push_back(machine_->counts()); }
    [[nodiscard]] std::size_t free_offset() const { return cache_->geometry.free_offset; }
    [[nodiscard]] const std::vector<Misuse>& reports() const { return machine_->reports; }

    std::vector<std::string> steps;
    bool destroyed = false;

  private:
    std::unique_ptr<DebugMachine> machine_ = std::make_unique<DebugMachine>();
    Slub<OwnedCpus>::Cache* cache_;
};

/// Golden counts of BUG and FIX lines, by step.
std::vector<std::string> golden_steps(const std::string& name, const std::string& flags) {
    std::vector<std::string> steps;
    const std::string text = read_golden("linux-6.1-slub-debug/counts.csv");
    for (const std::string_view line : lines_of(text)) {
        const auto row = fields_of(line);
        if (row[0] == name && row[1] == flags) steps.push_back(fmt::format("{},{}", row[4], row[5]));
    }
    return steps;
}

SelfTest run_case(const std::string& name, CacheFlags flags) {
    SelfTest test{name, flags};
    if (name == "rz_alloc") {
        std::byte* const p = test.alloc();
        p[64] = std::byte{0x12};
        test.validate_step();
        test.free(p);
        test.step();
    } else if (name == "next_ptr") {
        std::byte* const p = test.freed();
        std::byte* const at = p + test.free_offset();
        void* before = nullptr;
        std::memcpy(&before, at, sizeof before);
        *at = ~*at;
        test.validate_step();
        std::memcpy(at, &before, sizeof before);
        test.validate_step();
        test.validate_step();
    } else if (name == "first_word") {
        test.freed()[0] = std::byte{0x78};
        test.validate_step();
    } else if (name == "byte50") {
        test.freed()[50] = std::byte{0x9a};
        test.validate_step();
    } else if (name == "rz_free") {
        test.freed()[64] = std::byte{0xab};
        test.validate_step();
    } else if (name == "double_free") {
        test.free(test.freed());
        test.step();
        test.validate_step();
    }
    test.destroy_step();
    return test;
}

}  // namespace

TEST_CASE("the kernel's five self-tests count what they count there") {
    for (const auto& [name, flags] : std::map<std::string, CacheFlags>{{"rz_alloc", CacheFlags::red_zone},
                                                                       {"next_ptr", CacheFlags::poison},
                                                                       {"first_word", CacheFlags::poison},
                                                                       {"byte50", CacheFlags::poison},
                                                                       {"rz_free", CacheFlags::red_zone}}) {
        INFO(name);
        const auto expected = golden_steps(name, "kunit");
        REQUIRE(expected.size() >= 2);
        CHECK(run_case(name, flags).steps == expected);
    }
}

TEST_CASE("with all checks on, planted corruptions count as in Linux 6.1") {
    for (const char* name : {"rz_alloc", "next_ptr", "first_word", "byte50", "rz_free", "double_free"}) {
        INFO(name);
        const auto expected = golden_steps(name, "FZPU");
        REQUIRE(expected.size() >= 2);
        CHECK(run_case(name, all_checks).steps == expected);
    }
}

TEST_CASE("kmalloc sees a write past the class, not one into its slack, as Linux 6.1") {
    for (const char* name : {"kmalloc_rz", "kmalloc_tail"}) {
        DebugMachine machine{{.debug = "FZPU"}};
        auto* const p = static_cast<std::byte*>(machine.slub.kmalloc(18, GFP_KERNEL, cpu));
        if (name == std::string{"kmalloc_rz"})
            p[32] = std::byte{0xab};
        else
            p[18] = p[19] = std::byte{0xab};
        machine.slub.validate(machine.slub.kmalloc_cache(18, GFP_KERNEL), cpu);
        std::vector<std::string> steps{machine.counts()};
        machine.slub.kfree(p, cpu);
        steps.push_back(machine.counts());
        INFO(name);
        CHECK(steps == golden_steps(name, "FZPU"));
    }
}

TEST_CASE("a report is worded as the kernel's: reason, place, owners, bytes, repair") {
    const SelfTest test = run_case("byte50", all_checks);
    REQUIRE(test.reports().size() == 1);
    const Misuse& misuse = test.reports()[0];
    CHECK(misuse.kind == MisuseKind::overwritten);
    CHECK(misuse.cache == "byte50");
    const std::string& text = misuse.report;
    for (const char* part :
         {"BUG byte50 (Not tainted): Poison overwritten\n", "@offset=58. First byte 0x9a instead of 0x6b\n",
          "Allocated in 0x", " age=1 cpu=0 pid=0\nFreed in 0x", " age=0 cpu=0", " objects=25 used=0 fp=0x",
          "@offset=8 fp=0x", "Redzone  ", "bb bb bb bb bb bb bb bb                          ........\n",
          "6b 6b 9a 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b a5  kk.kkkkkkkkkkkk.\n", "Padding  ",
          "FIX byte50: Restoring Poison 0x"}) {
        INFO(part << "\nin\n" << text);
        CHECK(text.find(part) != std::string::npos);
    }
}

TEST_CASE("the dump of an object has the golden report's lines, but for addresses") {
    const std::string golden = read_golden("linux-6.1-slub-debug/rz_alloc-kunit.txt");
    const auto dump_lines = [](std::string_view text) {
        std::vector<std::string> lines;
        for (const std::string_view line : lines_of(text)) {
            const bool dump = line.starts_with("Redzone") || line.starts_with("Padding");
            if (dump) lines.push_back(std::string{line.substr(0, 9)} + std::string{line.substr(25)});
        }
        return lines;
    };
    CHECK(dump_lines(run_case("rz_alloc", CacheFlags::red_zone).reports().at(0).report) ==
          dump_lines(golden));
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
    CHECK(lines_of(lines).size() == 2);
    CHECK(lines.starts_with("TRACE seen alloc 0x"));
    CHECK(lines.find("TRACE seen free 0x") != std::string::npos);
}

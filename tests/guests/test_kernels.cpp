/// Kernels in the cache, and guests that do not do what they should; the guests are played (fake_kernel.py).
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/cli/program.hpp"

using namespace kmemlab::cli_test;
namespace fs = std::filesystem;
using Catch::Contains;

namespace {

/// A cache with one kernel, "played".
class Cache {
  public:
    explicit Cache(const std::string& answers = "{}", const std::string& facts = whole_facts) {
        const fs::path kernel = fs::path{folder_.file("kmemlab")} / "kernels" / "played";
        fs::create_directories(kernel);
        write(kernel / "kernel.json", facts);
        write(kernel / "answers.json", answers);
        write(kernel / "serve", "");
        fs::copy_file("tests/guests/fake_kernel.py", kernel / "linux");
        fs::permissions(kernel / "linux", fs::perms::owner_all);
    }

    /// The shell's words before the program's.
    [[nodiscard]] Outcome run(const std::string& arguments, const std::string& variables = "") const {
        return kmemlab::test::run_shell(fmt::format("cd {0} && {1} XDG_CACHE_HOME={0} {2} {3}",
                                                    folder_.file(""), variables, KMEMLAB_PROGRAM, arguments));
    }
    [[nodiscard]] std::string text(const std::string& name) const { return content(folder_.file(name)); }
    void refuses(const std::string& arguments, const std::string& because) const {
        CAPTURE(arguments);
        const Outcome outcome = run(arguments);
        CHECK(outcome.status == 2);
        CHECK_THAT(outcome.err, Catch::StartsWith("kmemlab: ") && Contains(because));
        CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
    }

    static inline const std::string whole_facts =
        R"({"name": "played", "release": "6.1.0", "allocator": "slub", "smp": false, "tree": "t", "state": "s",)"
        R"( "options": [], "append": "", "guest": "g"})";

  private:
    static void write(const fs::path& file, const std::string& text) { std::ofstream{file} << text; }

    ScratchFolder folder_;
};

const std::string replay = "replay workload:larson,ops=1000 --repetitions 1 --allocator kernel:";

}  // namespace

TEST_CASE("a kernel that is not there is told with those that are") {
    const Cache cache;
    cache.refuses(replay + "other", "no kernel 'other'; there are: played; `kmemlab kernel build` makes one");
    cache.refuses("peers --kernel other", "no kernel 'other'");
    cache.refuses("golden make --kernel other", "no kernel 'other'");
    cache.refuses("compare --kernels played,other", "no kernel 'other'");
    CHECK_THAT(run_kmemlab("kernel remove no-such-kernel").err, Contains("no kernel no-such-kernel"));
}

TEST_CASE("a part that a kernel has none of is refused") {
    Cache{}.refuses(replay + "played:stacks",
                    "expected objects, pages or areas behind the kernel's name, found 'stacks'");
}

TEST_CASE("facts that are damaged name their file") {
    Cache{"{}", "{\"name\": \"played\"}"}.refuses(replay + "played",
                                                  "kernel.json: expected the facts of a kernel");
}

TEST_CASE("what a guest complains of is told with its name") {
    Cache{R"({"load": "error the guest's memory is too small for the program"})"}.refuses(
        replay + "played", "kernel:played: the guest's memory is too small for the program");
}

TEST_CASE("a guest that dies is told with its last words") {
    Cache{R"({"hello": "gone"})"}.refuses(replay + "played",
                                          "kernel:played: the guest is gone: a line on the console");
    Cache{R"({"observe": "gone"})"}.refuses(replay + "played", "the guest is gone: a line on the console");
}

TEST_CASE("what a guest left out of a file is found") {
    Cache{R"({"observed": "ok"})"}.refuses(replay + "played",
                                           "kernel:played: what the guest observed is truncated");
    Cache{R"({"latency": "ok"})"}.refuses(replay + "played",
                                          "kernel:played: the guest's samples are truncated");
}

TEST_CASE("a replay has what the guest told") {
    const Cache cache;
    const Outcome outcome = cache.run(replay + "played --json played.json");
    REQUIRE(outcome.status == 0);
    const auto result = nlohmann::json::parse(cache.text("played.json"));
    const auto& allocator = result.at("replay").at("allocators").at(0);
    CHECK(allocator.at("name") == "kernel:played");
    CHECK(allocator.at("follows") == "Linux 6.1.0, slub, tree s");
    CHECK(allocator.at("timeline").at("held_bytes") == std::vector{4096});
    CHECK(allocator.at("timeline").at("free_blocks").at(10) == std::vector{10});
    CHECK(allocator.at("checks") == 0);
    CHECK(allocator.at("address_hash").is_null());
    const auto operations = allocator.at("operations").get<double>();
    CHECK(allocator.at("ops_per_second").at(0) == Approx(operations / 900 * 1e9));
    CHECK(allocator.at("paths").at("allocations").size() == 1);  // opaque
}

TEST_CASE("paths are those that SLUB counts, where it does") {
    // Read once to see whether it is there, then before and behind the observed pass.
    const Cache cache{R"({"files": {
        "/sys/kernel/slab/kmalloc-64/alloc_fastpath": ["5 C0=5", "5 C0=5", "105 C0=105"],
        "/sys/kernel/slab/kmalloc-64/alloc_slab": ["1", "4"],
        "/sys/kernel/slab/kmalloc-64/free_fastpath": ["0", "60"],
        "/sys/kernel/slab/kmalloc-64/free_slowpath": ["0", "40"],
        "/sys/kernel/slab/kmalloc-64/free_add_partial": ["0", "7"],
        "/sys/kernel/slab/kmalloc-64/free_slab": ["0", "2"]}})"};
    REQUIRE(cache.run(replay + "played --json played.json").status == 0);
    const auto paths =
        nlohmann::json::parse(cache.text("played.json")).at("replay").at("allocators").at(0).at("paths");
    CHECK(paths.at("allocations") == nlohmann::json({{"fast", 100}, {"new_slab", 3}}));
    CHECK(paths.at("frees") ==
          nlohmann::json({{"fast", 60}, {"node_partial", 7}, {"slab", 31}, {"discard", 2}}));
}

TEST_CASE("of a kernel for several CPUs only golden files can be made") {
    std::string facts = Cache::whole_facts;
    facts.replace(facts.find("false"), 5, "true");
    const Cache cache{"{}", facts};
    cache.refuses(replay + "played", "expected a kernel for one CPU");
    const Outcome without = cache.run("golden make --kernel played", "PATH=/nowhere");
    CHECK(without.status == 2);
    CHECK_THAT(without.err, Contains("expected qemu-system-x86_64 in PATH"));
}

TEST_CASE("words of kernel commands are checked before anything is done") {
    check_refused("kernel build --name a/b", "expected a name without");
    check_refused("kernel build --kconfig SLUB", "expected CONFIG_NAME=VALUE");
    check_refused("kernel build --config slqb", "slqb");
    check_refused("kernel build --tree /", "expected a kernel tree");
    check_refused("kernel", "subcommand");
    check_refused("golden make", "--kernel is required");
    check_refused("compare --kernels one", "2");
    check_refused("compare --trace x a b", "--trace is for --kernels");
    check_refused("compare c --kernels a,b", "expected no FILE");
}

TEST_CASE("golden check --all goes on behind a difference, and counts") {
    const ScratchFolder folder;
    std::string text = content("tests/golden/linux-6.1-slub-debug/counts.csv");
    text.replace(text.find("1,1,0,2"), 7, "1,2,0,3");
    const std::string file = folder.with("counts.csv", text);
    const Outcome first = run_kmemlab("golden check " + file);
    const Outcome all = run_kmemlab("golden check --all " + file);
    CHECK(first.status == 1);
    CHECK(all.status == 1);
    CHECK(first.out.find("agree=") == std::string::npos);
    CHECK_THAT(all.out, Contains("row=2 agree=32 of=33 (96.97 %)"));
}

/// Whatever a user gets wrong is told in one line that begins with the program's name, with status 2.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/cli/program.hpp"

using namespace kmemlab::cli_test;
using Catch::Contains;

TEST_CASE("a command line that cannot be understood is refused") {
    check_refused("", "expected a command");
    check_refused("--no-such-option", "--no-such-option");
    check_refused("no-such-command", "no-such-command");
    check_refused("list --no-such-option", "--no-such-option");
    check_refused("trace", "expected a command");
    check_refused("trace info", "FILE");
    check_refused("trace pack x", "--output");
    check_refused("replay", "TRACE");
    check_refused("replay x --repetitions -1", "--repetitions");
    check_refused("peers --repetitions 0", "--repetitions");
}

TEST_CASE("unknown allocators and tunables are refused before the trace is read") {
    check_refused("replay absent --allocator nobody", "no allocator 'nobody'; there are: slub, ");
    check_refused("replay absent --allocator malloc,malloc", "named twice");
    check_refused("replay absent --allocator slub --set slub.nonsense=1", "slub.nonsense");
    check_refused("replay absent --allocator slub --set slub.max_order=99", "slub.max_order=99");
    check_refused("replay absent --allocator slub --set nothing", "expected key=value");
    check_refused("replay absent --allocator slub --cpus 0", "machine.cpus=0: expected 1..256");
    check_refused("replay absent --allocator slub --cpus many", "machine.cpus=many");
    check_refused("replay absent --allocator slub --arena much", "machine.arena=much");
    check_refused("replay absent --allocator malloc --arena 1G", "machine.arena");
    check_refused("replay absent --allocator malloc --snapshot soon", "'soon'");
}

TEST_CASE("a workload that there is not is refused with those that there are") {
    for (const char* command : {"replay", "trace info", "trace pack -o /dev/null"}) {
        const std::string before{std::string{command} + " workload:"};
        check_refused(before + "nothing", "no workload 'nothing'; there are: llfree-bulk, ");
        check_refused(before + "larson,size=8", "workload larson: no parameter 'size'; there are: ops, ");
        check_refused(before + "larson,threads=0", "workload larson: threads=0: expected 1..256");
    }
    check_refused("workload", "expected a command");
    check_refused("replay workload:larson --allocator buddy", "replays pages, and the trace has none");
}

TEST_CASE("a machine that cannot be built is refused") {
    const ScratchFolder folder;
    const std::string trace = folder.with("small.trace", small_trace);
    check_refused("replay " + trace + " --allocator buddy --arena 12K", "3 pages");
    check_refused("replay " + trace + " --allocator slub --arena 12K", "3 pages");
    check_refused("replay " + trace + " --allocator slub --cpus 1", "CPUs 0 to 1");
}

TEST_CASE("traces that cannot be read are refused") {
    const ScratchFolder folder;
    const auto refused = [](const std::string& file, const std::string& because) {
        check_refused("replay --allocator malloc " + file, because);
        check_refused("trace info " + file, because);
        check_refused("trace pack -o /dev/null " + file, because);
    };
    refused("/dev/null", "empty");
    refused(folder.file("absent"), "absent");
    refused(folder.with("other.txt", "hello\nworld\n"), "other.txt");
    refused(folder.with("binary", std::string(4096, '\x01')), "binary");
    const std::string whole = content("bench/traces/make-j2.trace.zst");
    REQUIRE(whole.size() > 1000);
    refused(folder.with("cut.trace.zst", whole.substr(0, whole.size() / 2)), "cut.trace.zst");
}

TEST_CASE("an output that cannot be written is refused, and what was there before stays") {
    const ScratchFolder folder;
    const std::string trace = folder.with("small.trace", small_trace);
    const std::string replay = "replay " + trace + " --allocator malloc --repetitions 1 ";
    check_refused(replay + "--json " + folder.file("no/such/folder.json"), "No such file");
    check_refused("trace info " + trace + " --json /dev/full", "/dev/full");
    check_refused(replay + ">/dev/full", "cannot write standard output: No space left on device");
    check_refused("list >/dev/full", "cannot write standard output");
    check_refused(replay + "--snapshot end --snapshot-dir " + trace, "cannot write");

    const std::string result = folder.with("result.json", "before");
    check_refused("replay " + folder.file("absent") + " --allocator malloc --json " + result, "absent");
    CHECK(content(result) == "before");
    CHECK_FALSE(std::filesystem::exists(result + ".part"));
}

TEST_CASE("a full disk does not lose what was measured") {
    const ScratchFolder folder;
    const std::string trace = folder.with("small.trace", small_trace);
    const std::string full = "cannot write /dev/full: No space left on device";
    CHECK_THAT(check_fails("replay " + trace + " --allocator malloc --repetitions 1 --json /dev/full", full),
               Contains("throughput"));
    CHECK_THAT(check_fails("peers --filter pair/64/floor --repetitions 1 --json /dev/full", full),
               Contains("pair/64/floor"));
}

TEST_CASE("a filter of peers that is malformed or finds nothing is refused") {
    check_refused("peers --filter '('", "no regular expression");
    check_refused("peers --filter no-such-row", "no row matches");
}

TEST_CASE("timings of a kernel that cannot be used are refused before anything is measured") {
    const ScratchFolder folder;
    const std::string times = "peers --filter ^kernel- --kernel-times ";
    check_refused("peers --kernel-times", "--kernel-times");
    check_refused(times + folder.file("absent"), "absent");
    check_refused(times + folder.with("slqb.csv", "# allocator=slqb\n"),
                  "slqb.csv:1: allocator=slqb: expected slub, slab or slob");
    check_refused(times + folder.with("no-column.csv", "# allocator=slub\ngroup,test,size,n,free_order\n"),
                  "no-column.csv:2: expected a column ns_median");
    const std::string good = "tests/golden/linux-6.1-timing/slub.csv.zst";
    check_refused("peers --filter no-such-row --kernel-times " + good, "no row matches 'no-such-row'");
    check_refused("peers --filter '(' --kernel-times " + good, "'(' is no regular expression");

    const std::string state = times + good + " --kernel-state ";
    check_refused("peers --kernel-state tests/golden/linux-6.1-slob/slabtrace-32.csv.zst", "--kernel-times");
    check_refused(state + folder.file("absent"), "absent");
    check_refused(state + good, "slub.csv.zst:1: expected a trace of pages, or of SLOB's objects");
    check_refused(state + "tests/golden/linux-6.1-slob/kmalloc.csv.zst",
                  "expected rows P and B, SLOB's lists");
    check_refused(state + folder.with("order9.csv",
                                      "# nr_cpu_ids=1\n# buddytrace mode=nopcp\n"
                                      "S,zone,name=Normal,start_pfn=0,spanned=1024,present=1024,managed=1024,"
                                      "free=0\nS,const,MAX_ORDER=11,pageblock_order=9\n"),
                  "order9.csv:1: pageblock_order=9: expected 10");
}

/// The outcome of each experiment, by numbers of its own.
#include <catch2/catch.hpp>
#include <string>

#include "bench/experiments/experiment.hpp"
#include "tests/support/shell.hpp"

using namespace kmemlab::experiments;
using Catch::StartsWith;

namespace {

Outcome outcome_of(const char* name) {
    Outcome outcome = run(find_experiment(name));
    for (const Finding& finding : outcome.findings()) {
        INFO(name << ": " << finding.what << ": " << finding.value << ", expected: " << finding.expected);
        CHECK(finding.met);
    }
    return outcome;
}

std::string value(const Outcome& outcome, const std::string& what) {
    const Finding* const finding = outcome.find(what);
    return finding == nullptr ? "no such finding" : finding->value;
}

}  // namespace

TEST_CASE("kmalloc-limits: 4 MiB is the last size that every object allocator gives") {
    const Outcome outcome = outcome_of("kmalloc-limits");
    for (const char* name : {"slub", "slub-sheaves", "slab", "slob"}) {
        CHECK(value(outcome, std::string{name} + ": last size that succeeds") == "4194304 bytes");
    }
}

TEST_CASE("vmalloc-limits: 4 GiB of 8 is the last size, and the next is refused without a frame taken") {
    const Outcome outcome = outcome_of("vmalloc-limits");
    CHECK(value(outcome, "last size that succeeds") == "4294967296 bytes");
    CHECK(value(outcome, "frames asked for before it is refused") == "0");
}

TEST_CASE("stack-location: the direct map until 4.8, vmalloc's window since") {
    const Outcome outcome = outcome_of("stack-location");
    CHECK_THAT(value(outcome, "Linux 4.8: address"), StartsWith("0xffff8880"));
    CHECK(value(outcome, "Linux 4.8: bytes to the next stack") == "16384");
    CHECK(value(outcome, "Linux 4.9: address") == "0xffffc90000000000");
    CHECK(value(outcome, "Linux 4.9: bytes to the next stack") == "32768");
    CHECK(value(outcome, "Linux 4.9: one byte below a stack") == "a page fault");
}

TEST_CASE("buddy-order3: a block is split off the largest, and 32 KiB read back as written") {
    const Outcome outcome = outcome_of("buddy-order3");
    CHECK(value(outcome, "bytes read as they were written") == "32768");
    CHECK(value(outcome, "orders of which a free block more is there") == "3 4 5 6 7 8 9");
}

TEST_CASE("object-cache: two objects of 16 bytes lie side by side, and the last freed is the next taken") {
    const Outcome outcome = outcome_of("object-cache");
    for (const std::string name : {"slub", "slub-sheaves", "slab", "slob"}) {
        CHECK(value(outcome, name + ": bytes from one object to the other") == "16");
        CHECK(value(outcome, name + ": memory taken for the two") == "4096 bytes");
    }
    CHECK(value(outcome, "slub: the next allocation gets") == "the last freed");
    CHECK(value(outcome, "slob: the next allocation gets") == "the lowest");
}

TEST_CASE("zones: a request falls back to lower zones only, and never takes a lower zone's reserve") {
    const Outcome outcome = outcome_of("zones");
    CHECK(value(outcome, "64 bit: GFP_DMA") == "DMA");
    CHECK(value(outcome, "64 bit: GFP_KERNEL") == "Normal");
    CHECK(value(outcome, "32 bit: of HighMem") == "0 pages");
    CHECK(value(outcome, "32 bit: GFP_HIGHUSER then") == "HighMem");
}

TEST_CASE("per-cpu: slots of their own count exactly, and slub's fast paths take no lock") {
    const Outcome outcome = outcome_of("per-cpu");
    CHECK(value(outcome, "cache lines of 256 slots") == "256");
    CHECK(value(outcome, "slub, 64 CPUs: allocations from the CPU's slab") == "6336");
    CHECK(value(outcome, "slub, 64 CPUs: locks of the node") == "0");
}

TEST_CASE("kstack-usage: the depths that are found at exit are the published histogram") {
    const Outcome outcome = outcome_of("kstack-usage");
    CHECK(value(outcome, "kstack_1k") == "3");
    CHECK(value(outcome, "kstack_2k") == "188");
    CHECK(value(outcome, "kstack_4k") == "11391");
    CHECK(value(outcome, "kstack_8k") == "243");
    CHECK(value(outcome, "kstack_16k") == "0");
}

TEST_CASE("dynamic-kstack: as many stacks as published save as much, and an empty reserve is told") {
    const Outcome outcome = outcome_of("dynamic-kstack");
    CHECK(value(outcome, "5786 stacks: mapped whole") == "92576 kB");
    CHECK(value(outcome, "5786 stacks: dynamic") == "23616 kB");
    CHECK(value(outcome, "2644 stacks: mapped whole") == "42304 kB");
    CHECK(value(outcome, "faults of 1000 tasks that need a second page") == "1000");
}

TEST_CASE("depths of a file take the place of the published ones") {
    const kmemlab::test::ScratchFolder folder;
    const std::string deep = folder.with("depths", "kstack_8k 0\nkstack_16k 4\n");
    const Outcome usage = run(find_experiment("kstack-usage"), {.file = deep});
    CHECK(usage.as_expected());
    CHECK(value(usage, "kstack_16k") == "4");
    CHECK(value(run(find_experiment("dynamic-kstack"), {.file = deep}), "3182 stacks: saved here") ==
          "18.7 %");  // 3, 3, 3 and 4 pages of four
}

TEST_CASE("struct-page-overhead: 64 bytes a frame in Linux, 32 here") {
    const Outcome outcome = outcome_of("struct-page-overhead");
    CHECK(value(outcome, "Linux, of memory") == "1.56 %");
    CHECK(value(outcome, "ours, of memory") == "0.78 %");
}

/// The target of settings: its words, and that it judges what it is meant to judge.
#include <catch2/catch.hpp>

#include <string>

#include "fuzz/targets/target.hpp"

using namespace kmemlab;
using namespace kmemlab::fuzz;

namespace {

std::span<const std::uint8_t> bytes(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string printed(const std::string& input) {
    return find_target("settings").print(bytes(input));
}

std::string found_in(const std::string& input) {
    const auto found = find_target("settings").read(bytes(input));
    return found ? found->law + ": " + found->what : "";
}

}  // namespace

TEST_CASE("a byte above 127 is a word that fits where it stands") {
    CHECK(printed("\x80") == "slub\n");
    CHECK(printed("slob\n\x80") == "slob\nmachine.arena=");
    CHECK(printed("slob\nslob.track=\x81") == "slob\nslob.track=1");
    CHECK(printed("tlb\n\x80") == "tlb\nname=x\n");
    CHECK(printed("nobody\n\x80\x81") == "nobody\n");
    CHECK(printed(std::string{"a\0b\tc", 5}) == "a\nb\tc");
}

TEST_CASE("what is printed of any input is a text that prints the same") {
    std::uint32_t state = 2026;
    for (int i = 0; i < 500; ++i) {
        std::string input;
        for (int n = 0; n < 40; ++n) {
            state = state * 1664525 + 1013904223;
            input += n % 5 == 4 ? '\n' : static_cast<char>(state >> 24);
        }
        const std::string text = printed(input);
        REQUIRE(printed(text) == text);
    }
}

TEST_CASE("settings are refused by a line or make an allocator that works") {
    for (const std::string input :
         {"", "nobody", "slub", "slub\nslub.max_order=11\nno key\nslab.limit=1\nslub.debug=FZPU",
          "buddy\nmachine.arena=8T", "buddy\nzone.layout=DMA:100000,Normal", "slab\nslab.batchcount=65536",
          "slab\nslab.limit=65536\nslab.shared=1024", "kstack-vmap\nkstack.arch=i386", "malloc", "tlb",
          "tlb\nname=x\nnonsense\nl1=4K 8/8 lru\nl2=4K 7/8 lru", "tlb amd-zen2", "tlb pdp-11"}) {
        INFO(input);
        CHECK(found_in(input) == "");
    }
}

TEST_CASE("a finding is reported with the settings that lead to it") {
    const Finding finding{.law = "G1", .what = "overlap"};
    CHECK(report(find_target("settings"), bytes("\x83"), finding) == "G1: overlap\ntarget settings\nslob\n");
    CHECK(report(find_target("trace_text"), bytes("x"), finding) == "G1: overlap\ntarget trace_text\n");
}

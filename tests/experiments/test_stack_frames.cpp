/// Frames as compilers and disassemblers write them, and the experiment on them.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>
#include <string>

#include "allocators/base/check.hpp"
#include "bench/experiments/experiment.hpp"
#include "bench/experiments/stack_frames.hpp"
#include "tests/support/shell.hpp"

using namespace kmemlab;
using namespace kmemlab::experiments;
using Catch::Contains;
using test::ScratchFolder;

namespace {

std::uint64_t frame_in(const std::vector<StackFrame>& frames, const std::string& function) {
    const auto at = std::find_if(frames.begin(), frames.end(), [&](const StackFrame& frame) {
        return frame.function.find(function) != std::string::npos;
    });
    return at == frames.end() ? 0 : at->bytes;
}

Outcome sizes(const std::string& file) {
    return run(find_experiment("frame-sizes"), {.file = file});
}

/// Found in this program's own disassembly below. AddressSanitizer would choose its size at run time, and the
/// checker of calls would put data before the first instruction, which a disassembler takes for code.
__attribute__((noinline, no_sanitize("address", "undefined"))) int with_a_large_frame(int seed) {
    volatile char text[3000];
    for (std::size_t i = 0; i < sizeof text; ++i) text[i] = static_cast<char>(seed);
    return text[static_cast<std::size_t>(seed)];
}

}  // namespace

TEST_CASE("a disassembly tells what each function subtracts from the stack pointer at most") {
    std::istringstream text{
        "\na.out:     file format elf64-x86-64\n\n"
        "0000000000001139 <small(int)>:\n"
        "    1139:\tsub    $0x18,%rsp\n"
        "    113d:\tsub    $0x840,%rsp\n"
        "    1140:\tadd    $0x18,%rsp\n"
        "    1144:\tsub    %rax,%rsp\n"
        "0000000000001150 <none>:\n"
        "    1150:\tsub    $0x900,%rax\n"
        "    1151:\tsub    $0xffffffffffffff80,%rsp\n"
        "0000000000001160 <arm>:\n"
        "    1160:\tsub\tsp, sp, #0x230\n"};
    const auto frames = frames_of_disassembly(text);
    CHECK(frames.size() == 2);
    CHECK(frame_in(frames, "small(int)") == 0x840);
    CHECK(frame_in(frames, "arm") == 0x230);
}

TEST_CASE("a compiler's .su file tells each function's frame, and a broken line is named") {
    std::istringstream text{"a.c:1:5:small\t16\tstatic\na.c:9:6:large\t4112\tdynamic,bounded\n"};
    const auto frames = frames_of_stack_usage(text, "a.su");
    CHECK(frame_in(frames, "a.c:1:5:small") == 16);
    CHECK(frame_in(frames, "large") == 4112);
    std::istringstream broken{"a.c:1:5:small\t16\tstatic\nno tabs\n"};
    CHECK_THROWS_WITH(frames_of_stack_usage(broken, "a.su"), Contains("a.su:2: expected"));
}

TEST_CASE("frame-sizes warns above 2048 bytes, of the .su files of a folder") {
    const ScratchFolder folder;
    (void)folder.with("a.su", "a.c:1:5:small\t2048\tstatic\n");
    (void)folder.with("b.su", "b.c:1:5:large\t2049\tstatic\n");
    const Outcome outcome = sizes(folder.file(""));
    REQUIRE(outcome.find("above 2048 bytes") != nullptr);
    CHECK(outcome.find("above 2048 bytes")->value == "1");
    CHECK(outcome.find("b.c:1:5:large")->value == "2049 bytes, WARNING: above 2048");
    CHECK(outcome.find("a.c:1:5:small")->value == "2048 bytes");
}

TEST_CASE("frame-sizes finds a large frame in this program") {
    REQUIRE(with_a_large_frame(7) == 7);
    CHECK(frame_in(frames_of("/proc/" + std::to_string(getpid()) + "/exe"), "with_a_large_frame") >= 2048);
    CHECK(sizes("").findings().size() > 2);
}

TEST_CASE("frame-sizes refuses what it cannot read") {
    const ScratchFolder folder;
    CHECK_THROWS_WITH(sizes(folder.file("nothing")), Contains("cannot be read"));
    CHECK_THROWS_WITH(sizes(folder.file("")), Contains("no .su file"));
    CHECK_THROWS_WITH(sizes(folder.with("text", "no program\n")), Contains("objdump"));
}

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/experiments/experiments.hpp"
#include "bench/experiments/stack_frames.hpp"

namespace kmemlab::experiments {
namespace {

std::string this_program() {
    return std::filesystem::read_symlink("/proc/self/exe").string();
}

}  // namespace

Outcome frame_sizes(const Options& options) {
    Outcome outcome{
        "A kernel build warns of functions whose frame is above 2048 bytes (FRAME_WARN), and checkstack "
        "lists\n"
        "the largest frames of a kernel by its disassembly.",
        "A stack of 16 KiB is all that a thread has, for every function from the system call down and for\n"
        "what interrupts it, so no function may take much. An array as a local variable is what makes a "
        "frame\n"
        "large. Frames of a disassembly are what is subtracted from the stack pointer; what is pushed comes\n"
        "on top."};
    constexpr std::uint64_t frame_warn = 2048;
    constexpr std::ptrdiff_t shown = 10;
    std::vector<StackFrame> frames = frames_of(options.file.empty() ? this_program() : options.file);
    const auto end = frames.size() > shown ? frames.begin() + shown : frames.end();
    std::partial_sort(frames.begin(), end, frames.end(),
                      [](const StackFrame& a, const StackFrame& b) { return a.bytes > b.bytes; });
    const auto large = std::count_if(frames.begin(), frames.end(),
                                     [](const StackFrame& frame) { return frame.bytes > frame_warn; });
    outcome.note("functions with a frame", fmt::format("{}", frames.size()));
    outcome.note("above 2048 bytes", fmt::format("{}", large));
    for (auto frame = frames.begin(); frame != end; ++frame) {
        constexpr std::size_t width = 70;
        const std::string name =
            frame->function.size() > width ? frame->function.substr(0, width - 3) + "..." : frame->function;
        outcome.note(name, fmt::format("{} bytes{}", frame->bytes,
                                       frame->bytes > frame_warn ? ", WARNING: above 2048" : ""));
    }
    return outcome;
}

}  // namespace kmemlab::experiments

#include "bench/experiments/stack_frames.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>

#include "allocators/base/check.hpp"
#include "bench/measure/environment.hpp"

namespace kmemlab::experiments {
namespace {

std::optional<std::uint64_t> number(std::string_view text, int base) {
    std::uint64_t value = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || rest != text.data() + text.size()) return {};
    return value;
}

/// The function that a line of a disassembly begins: "0000000000001139 <function>:"; empty: another line.
std::string_view function_begun_by(std::string_view line) {
    const std::size_t open = line.find(" <");
    if (open == std::string_view::npos || line.front() == ' ' || !line.ends_with(">:")) return {};
    return line.substr(open + 2, line.size() - open - 4);
}

/// What a line subtracts from the stack pointer; 0: nothing, or what is known at run time only.
std::uint64_t subtracted_by(std::string_view line) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 2> forms{
        {{"$0x", ",%rsp"}, {"sp, sp, #0x", ""}}};
    if (line.find("sub") == std::string_view::npos) return 0;
    for (const auto& [before, behind] : forms) {
        const std::size_t at = line.find(before);
        if (at == std::string_view::npos || !line.ends_with(behind)) continue;
        const std::string_view digits = line.substr(at + before.size());
        // A negative number is an addition that the compiler writes so.
        if (const auto bytes = number(digits.substr(0, digits.size() - behind.size()), 16);
            bytes && *bytes < std::uint64_t{1} << 32)
            return *bytes;
    }
    return 0;
}

std::vector<StackFrame> frames_of_folder(const std::string& path) {
    std::vector<StackFrame> frames;
    bool found = false;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
        if (entry.path().extension() != ".su") continue;
        found = true;
        std::ifstream text{entry.path()};
        for (StackFrame& frame : frames_of_stack_usage(text, entry.path().string()))
            frames.push_back(std::move(frame));
    }
    if (!found) throw UsageError::of("{}: no .su file in it; compile with -fstack-usage", path);
    return frames;
}

std::vector<StackFrame> frames_of_binary(const std::string& path) {
    const std::string command =
        command_line(std::array<std::string, 5>{"objdump", "-d", "-C", "--no-show-raw-insn", path}) +
        " 2>/dev/null";
    std::FILE* const pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) throw UsageError::of("{}: objdump cannot be started", path);
    std::stringstream text;
    std::array<char, 65536> buffer{};
    while (const std::size_t read = std::fread(buffer.data(), 1, buffer.size(), pipe))
        text.write(buffer.data(), static_cast<std::streamsize>(read));
    if (pclose(pipe) != 0) throw UsageError::of("{}: objdump (package binutils) cannot read it", path);
    return frames_of_disassembly(text);
}

}  // namespace

std::vector<StackFrame> frames_of_stack_usage(std::istream& text, const std::string& name) {
    std::vector<StackFrame> frames;
    std::string line;
    for (std::size_t i = 1; std::getline(text, line); ++i) {
        const std::size_t first = line.find('\t');
        const std::size_t second = first == std::string::npos ? first : line.find('\t', first + 1);
        const auto bytes = second == std::string::npos
                               ? std::nullopt
                               : number(std::string_view{line}.substr(first + 1, second - first - 1), 10);
        if (!bytes) throw UsageError::of("{}:{}: expected FUNCTION, bytes and kind between tabs", name, i);
        frames.push_back({line.substr(0, first), *bytes});
    }
    return frames;
}

std::vector<StackFrame> frames_of_disassembly(std::istream& text) {
    std::vector<StackFrame> frames;
    StackFrame current;
    const auto finish = [&] {
        if (current.bytes > 0) frames.push_back(current);
    };
    for (std::string line; std::getline(text, line);) {
        if (line.empty()) continue;
        if (const std::string_view function = function_begun_by(line); !function.empty()) {
            finish();
            current = {std::string{function}, 0};
        } else {
            current.bytes = std::max(current.bytes, subtracted_by(line));
        }
    }
    finish();
    return frames;
}

std::vector<StackFrame> frames_of(const std::string& path) {
    if (std::filesystem::is_directory(path)) return frames_of_folder(path);
    std::ifstream text{path};
    if (!text) throw UsageError::of("{}: cannot be read", path);
    return path.ends_with(".su") ? frames_of_stack_usage(text, path) : frames_of_binary(path);
}

}  // namespace kmemlab::experiments

/// The stack frames of functions, from what a compiler or a disassembler wrote.
///
///     FILE.su (-fstack-usage)     file.c:12:5:function <tab> 2112 <tab> static
///     objdump -d, x86-64          0000000000001139 <function>:  ...  sub $0x840,%rsp
///     objdump -d, aarch64         ...                                sub sp, sp, #0x840
///
/// A disassembly tells what is subtracted from the stack pointer, as the kernel's checkstack counts it: what
/// is pushed comes on top, and a size that is computed at run time is not seen.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

namespace kmemlab::experiments {

struct StackFrame {
    std::string function;
    std::uint64_t bytes = 0;
};

/// A line of another form throws UsageError naming `name` and the line's number.
[[nodiscard]] std::vector<StackFrame> frames_of_stack_usage(std::istream& text, const std::string& name);
/// The largest subtraction of each function that has one.
[[nodiscard]] std::vector<StackFrame> frames_of_disassembly(std::istream& text);

/// Of a .su file, of all .su files below a folder, or of a binary, by objdump. Throws UsageError if there is
/// none, or it cannot be read.
[[nodiscard]] std::vector<StackFrame> frames_of(const std::string& path);

}  // namespace kmemlab::experiments

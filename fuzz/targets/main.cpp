/// libFuzzer's side of a target, whose name is KMEMLAB_FUZZ_TARGET: what is found is printed as a program
/// that people can read, and ends the process. Two variables of the environment ask for more:
///
///     KMEMLAB_FUZZ_DIGEST=1     for each input a line `digest HASH` (target.hpp), whatever law it breaks; of
///                               a target that cannot tell none
///     KMEMLAB_FUZZ_COUNTS=FILE  at the end a line `INPUTS OPERATIONS` is added to FILE: what was run
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "fuzz/program/mutator.hpp"
#include "fuzz/targets/target.hpp"

using namespace kmemlab;
using namespace kmemlab::fuzz;

namespace {

const Target& this_target() {
    static const Target& target = find_target(KMEMLAB_FUZZ_TARGET);
    return target;
}

std::size_t write_program(const Program& program, std::uint8_t* data, std::size_t most) {
    const auto bytes = encode(program, this_target().language);
    const std::size_t size = std::min(bytes.size(), most);
    std::copy_n(bytes.begin(), size, data);
    return size;
}

/// What this process ran.
struct Counts {
    std::uint64_t inputs = 0;
    std::uint64_t operations = 0;
    const char* const file = std::getenv("KMEMLAB_FUZZ_COUNTS");

    Counts() = default;
    Counts(const Counts&) = delete;
    Counts& operator=(const Counts&) = delete;
    ~Counts() {
        if (file == nullptr) return;
        // Several processes write to it: each its line, in one piece.
        if (std::FILE* const out = std::fopen(file, "a")) {
            std::fputs(fmt::format("{} {}\n", inputs, operations).c_str(), out);
            std::fclose(out);
        }
    }
};
Counts counts;
const bool digests = std::getenv("KMEMLAB_FUZZ_DIGEST") != nullptr;

std::size_t operations_in(std::size_t bytes) {
    return bytes < setup_bytes + operation_bytes ? 1 : (bytes - setup_bytes) / operation_bytes;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): libFuzzer's names, and AddressSanitizer's
/// Programs allocate often and small: who allocated what needs no deep stacks, and a program is over long
/// before a small quarantine is full.
extern "C" const char*
__asan_default_options();  // NOLINT(bugprone-reserved-identifier): the sanitizer's name
extern "C" const char*
__asan_default_options() {  // NOLINT(bugprone-reserved-identifier): the sanitizer's name
    return "malloc_context_size=1:quarantine_size_mb=1:thread_local_quarantine_size_kb=64:max_malloc_fill_"
           "size=64";
}

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most,
                                               unsigned seed) {
    const Target& target = this_target();
    if (target.mutate && seed % 4 != 0) {
        Random random{seed};
        const std::string text = target.mutate({reinterpret_cast<const char*>(data), size}, random);
        std::copy_n(text.begin(), std::min(text.size(), most), data);
        return std::min(text.size(), most);
    }
    if (!target.has_programs()) {
        size = LLVMFuzzerMutate(data, size, most);
        if (target.repair) target.repair({data, size});
        return size;
    }
    Random random{seed};
    if (random.one_in(8)) return LLVMFuzzerMutate(data, size, most);
    Program program = decode({data, size}, target.language);
    mutate(program, target.language, random, operations_in(most));
    return write_program(program, data, most);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* a, std::size_t a_size,
                                                 const std::uint8_t* b, std::size_t b_size, std::uint8_t* out,
                                                 std::size_t most, unsigned seed) {
    const Target& target = this_target();
    if (!target.has_programs()) {
        const std::size_t size = std::min(a_size, most);
        std::copy_n(a, size, out);
        return size;
    }
    Random random{seed};
    return write_program(cross(decode({a, a_size}, target.language), decode({b, b_size}, target.language),
                               random, operations_in(most)),
                         out, most);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Target& target = this_target();
    const std::span input{data, size};
    if (digests) {
        if (const auto hash = digest(target, input))
            std::fputs(fmt::format("digest {:016x}\n", *hash).c_str(), stderr);
        return 0;
    }
    ++counts.inputs;
    const auto found =
        run_input(target, input, [](const Machine&, std::size_t, unsigned) { ++counts.operations; });
    if (!found) return 0;
    std::fputs(report(target, input, *found).c_str(), stderr);
    std::abort();
}
// NOLINTEND(readability-identifier-naming)

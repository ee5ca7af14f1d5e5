/// Any bytes as a packed trace: refused by one line, or a trace that survives being written and read again.
/// Length and checksum are set right after each mutation, or nothing behind them would ever be reached.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "allocators/base/check.hpp"
#include "bench/trace/describe.hpp"
#include "bench/trace/packed.hpp"

using namespace kmemlab;

// NOLINTBEGIN(readability-identifier-naming): libFuzzer's names
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned /*seed*/) {
    constexpr std::size_t length_at = 16;  // packed.hpp: bytes of the whole file
    size = LLVMFuzzerMutate(data, size, max_size);
    if (size < length_at + 2 * sizeof(std::uint64_t)) return size;
    const std::uint64_t length = size;
    std::memcpy(data + length_at, &length, sizeof length);
    const std::uint64_t sum = XXH3_64bits(data, size - sizeof(std::uint64_t));
    std::memcpy(data + size - sizeof sum, &sum, sizeof sum);
    return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span{data, size});
    try {
        const trace::Trace read = trace::unpack(bytes, "input");
        const auto written = trace::pack(read);
        if (trace::pack(trace::unpack(written, "input")) != written) {
            check_failed("what is written is read alike", "fuzz/trace_packed.cpp", 0);
        }
        if (trace::describe(read).empty()) {
            check_failed("what is read can be described", "fuzz/trace_packed.cpp", 0);
        }
    } catch (const UsageError& error) {
        if (std::string_view{error.what()}.find('\n') != std::string_view::npos) {
            check_failed("a refusal is one line", "fuzz/trace_packed.cpp", 0);
        }
    }
    return 0;
}
// NOLINTEND(readability-identifier-naming)

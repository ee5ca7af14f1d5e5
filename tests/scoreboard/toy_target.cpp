/// A fuzz target that breaks no law: with what is planted in it, inputs come nowhere near the bug, come to
/// it, or differ.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

static unsigned outcome(const std::uint8_t* data, std::size_t size) {
    unsigned sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
        if (data[i] >= 128) {
            sum += 1;
        }
        if (size > 100000) {
            sum += 2;
        }
    }
    return sum;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const unsigned sum = outcome(data, size);
    if (std::getenv("KMEMLAB_FUZZ_DIGEST") != nullptr) std::fprintf(stderr, "digest %x\n", sum);
    return 0;
}

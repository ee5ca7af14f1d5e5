#include "bench/cli/output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "allocators/base/check.hpp"

namespace kmemlab::cli {

void print(std::string_view text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (!written || std::fflush(stdout) != 0) {
        throw UsageError::of("cannot write standard output: {}", std::strerror(errno));
    }
}

}  // namespace kmemlab::cli

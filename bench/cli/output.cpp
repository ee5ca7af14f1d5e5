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

void deliver(std::optional<ResultFile>& file, std::string_view json, std::string_view text) {
    try {
        if (file) file->commit(json);
    } catch (const UsageError&) {
        print(text);
        throw;
    }
    print(text);
}

}  // namespace kmemlab::cli

#include "bench/cli/output.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "allocators/base/check.hpp"
#include "bench/cli/command.hpp"

namespace kmemlab::cli {

void print(std::string_view text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (!written || std::fflush(stdout) != 0) {
        throw UsageError::of("cannot write standard output: {}", std::strerror(errno));
    }
}

int complain(std::string_view what, std::string_view hint) {
    fmt::print(stderr, "kmemlab: {}{}\n", what.substr(0, what.find('\n')), hint);
    return exit_usage;
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

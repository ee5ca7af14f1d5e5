#include "bench/cli/plots.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "allocators/base/check.hpp"

namespace kmemlab::cli {
namespace {

constexpr const char* python = "/usr/bin/python3";

/// A file of ours, beside the program in a build tree as where it is installed. Throws UsageError.
std::filesystem::path data(std::string_view name) {
    const auto program = std::filesystem::read_symlink("/proc/self/exe");
    auto file = (program.parent_path() / KMEMLAB_DATA / name).lexically_normal();
    if (!std::filesystem::exists(file))
        throw UsageError::of("expected {}, where it is installed with the program", file.string());
    return file;
}

}  // namespace

std::vector<std::string> plots_words(std::string command) {
    const std::string folder = data("plots/__main__.py").parent_path().string();
    return {python, "-B", folder, "--program", "kmemlab", std::move(command)};
}

std::vector<std::string> guests_words(std::string command) {
    return {python, "-B", data("guests/build.py").string(), std::move(command)};
}

int run_python(std::vector<std::string> words) {
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    execv(python, argv.data());
    throw UsageError::of("expected Debian's python3 at {}: {}", python, std::strerror(errno));
}

std::string in_memory(const char* name, std::string_view text) {
    const int descriptor = memfd_create(name, 0);
    while (descriptor >= 0 && !text.empty()) {
        const ssize_t written = write(descriptor, text.data(), text.size());
        if (written < 0) break;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (!text.empty()) throw UsageError::of("cannot keep {}: {}", name, std::strerror(errno));
    return fmt::format("/proc/self/fd/{}", descriptor);
}

}  // namespace kmemlab::cli

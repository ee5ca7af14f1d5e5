#include "bench/guests/kernels.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "allocators/base/check.hpp"

namespace kmemlab::guests {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

Kernel read_kernel(const fs::path& folder) {
    const fs::path file = folder / "kernel.json";
    std::ifstream in{file};
    try {
        const auto facts = nlohmann::json::parse(in);
        return {
            .name = facts.at("name"),
            .release = facts.at("release"),
            .allocator = facts.at("allocator"),
            .tree = facts.at("tree"),
            .state = facts.at("state"),
            .options = fmt::format("{}", fmt::join(facts.at("options").get<std::vector<std::string>>(), " ")),
            .append = facts.at("append"),
            .smp = facts.at("smp"),
            .folder = folder};
    } catch (const nlohmann::json::exception&) {
        throw UsageError::of("{}: expected the facts of a kernel; build it again", file.string());
    }
}

}  // namespace

std::string Kernel::description() const {
    std::string text = fmt::format("Linux {}, {}, tree {}", release, allocator, state);
    if (!options.empty()) text += ", " + options;
    if (!append.empty()) text += ", " + append;
    return text;
}

fs::path kernels_folder() {
    const std::string cache = environment("XDG_CACHE_HOME");
    const fs::path base = cache.empty() ? fs::path{environment("HOME")} / ".cache" : fs::path{cache};
    return base / "kmemlab" / "kernels";
}

std::vector<Kernel> all_kernels() {
    std::vector<Kernel> kernels;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator{kernels_folder(), none}) {
        if (fs::exists(entry.path() / "kernel.json")) kernels.push_back(read_kernel(entry.path()));
    }
    std::sort(kernels.begin(), kernels.end(),
              [](const Kernel& a, const Kernel& b) { return a.name < b.name; });
    return kernels;
}

Kernel find_kernel(std::string_view name) {
    const fs::path folder = kernels_folder() / name;
    if (!name.empty() && fs::exists(folder / "kernel.json")) return read_kernel(folder);
    std::vector<std::string> names;
    for (const Kernel& kernel : all_kernels()) names.push_back(kernel.name);
    throw UsageError::of("no kernel '{}'; there are: {}; `kmemlab kernel build` makes one", name,
                         names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

}  // namespace kmemlab::guests

/// kmemlab_micro: Google Benchmark's own program and options over our allocators. With --smoke every
/// benchmark runs for a moment only, as a test that all of them work. Status 1 if verification finds
/// something.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "allocators/contract/registry.hpp"
#include "bench/measure/environment.hpp"
#include "bench/micro/suite.hpp"

namespace kmemlab::micro {
namespace {

std::vector<Setting> tunables_in_use() {
    std::vector<Setting> settings;
    for (const std::string& name : model_names()) {
        for (const TunableValue& tunable : tunables_of(name))
            settings.push_back({tunable.key, tunable.value});
    }
    return settings;
}

void add_context(const std::vector<std::string>& arguments) {
    for (const auto& [key, value] : custom_context(command_line(arguments), tunables_in_use())) {
        benchmark::AddCustomContext(key, value);
    }
}

/// Google Benchmark's arguments: ours replaced by what they mean.
std::vector<std::string> translated(const std::vector<std::string>& arguments) {
    std::vector<std::string> result = arguments;
    std::replace(result.begin(), result.end(), std::string{"--smoke"},
                 std::string{"--benchmark_min_time=0.0001"});
    return result;
}

int run(const std::vector<std::string>& arguments) {
    std::vector<std::string> texts = translated(arguments);
    std::vector<char*> argv(texts.size());
    std::transform(texts.begin(), texts.end(), argv.begin(), [](std::string& text) { return text.data(); });
    auto argc = static_cast<int>(argv.size());
    argv.push_back(nullptr);
    benchmark::Initialize(&argc, argv.data());
    if (argc > 1) {
        fmt::print(stderr, "kmemlab_micro: unknown option {} (see --help)\n", argv[1]);
        return 2;
    }
    add_context(arguments);
    const std::string found = verify_all();
    if (!found.empty()) {
        fmt::print(stderr, "kmemlab_micro: {}\n", found);
        return 1;
    }
    register_all();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

}  // namespace
}  // namespace kmemlab::micro

int main(int argc, char** argv) {
    try {
        return kmemlab::micro::run({argv, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "kmemlab_micro: %s\n", error.what());
        return 2;
    }
}

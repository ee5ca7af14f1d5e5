#include "bench/measure/environment.hpp"

#include <benchmark/benchmark.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <chrono>
#include <cmath>
#include <ctime>
#include <fstream>
#include <sstream>

#include "allocators/base/check.hpp"

namespace kmemlab {
namespace {

/// Content of a small file; empty if there is none.
std::string read_text(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

std::string first_value_of(const std::string& path, std::string_view key) {
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
        if (line.rfind(key, 0) != 0) continue;
        const auto colon = line.find(": ");
        if (colon != std::string::npos) return line.substr(colon + 2);
    }
    return "unknown";
}

std::string compiler_name() {
#if defined(__clang__)
    return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#elif defined(__GNUC__)
    return fmt::format("gcc {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#else
    return "unknown";
#endif
}

std::vector<std::string> enabled_checks() {
    std::vector<std::string> checks;
    if (debug_checks) checks.emplace_back("debug-checks");
    std::string sanitizers = KMEMLAB_SANITIZE;
    while (!sanitizers.empty()) {
        const auto comma = sanitizers.find(',');
        checks.push_back(sanitizers.substr(0, comma));
        sanitizers = comma == std::string::npos ? "" : sanitizers.substr(comma + 1);
    }
    return checks;
}

std::string local_time() {
    const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    return fmt::format("{:%Y-%m-%dT%H:%M:%S%z}", fmt::localtime(now));
}

Json caches_of(const benchmark::CPUInfo& cpu) {
    Json caches = Json::array();
    for (const auto& cache : cpu.caches) {
        caches.push_back({{"type", cache.type},
                          {"level", cache.level},
                          {"size", cache.size},
                          {"num_sharing", cache.num_sharing}});
    }
    return caches;
}

/// Google Benchmark's own members, named and filled as it does.
Json benchmark_members() {
    const auto& cpu = benchmark::CPUInfo::Get();
    Json members;
    members["date"] = local_time();
    members["host_name"] = benchmark::SystemInfo::Get().name;
    members["executable"] = "kmemlab";
    members["num_cpus"] = cpu.num_cpus;
    members["mhz_per_cpu"] = std::llround(cpu.cycles_per_second / 1e6);
    members["cpu_scaling_enabled"] = cpu.scaling == benchmark::CPUInfo::ENABLED;
    members["caches"] = caches_of(cpu);
    members["load_avg"] = cpu.load_avg;
    members["library_build_type"] = build_facts().build_type == "Debug" ? "debug" : "release";
    return members;
}

bool needs_quotes(const std::string& argument) {
    constexpr std::string_view plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+,./:@%^";
    return argument.empty() || argument.find_first_not_of(plain) != std::string::npos;
}

std::string quoted(const std::string& argument) {
    if (!needs_quotes(argument)) return argument;
    std::string result = "'";
    for (const char c : argument) result += c == '\'' ? std::string{"'\\''"} : std::string{c};
    return result + "'";
}

Json own_members(const std::string& command, std::span<const Setting> tunables) {
    const BuildFacts build = build_facts();
    const MachineFacts machine = machine_facts();
    Json values = Json::object();
    for (const Setting& tunable : tunables) values[tunable.key] = tunable.value;
    return {{"kmemlab_version", build.version},
            {"command", command},
            {"compiler", build.compiler},
            {"flags", build.flags},
            {"build_type", build.build_type},
            {"cpu", machine.cpu},
            {"kernel", machine.kernel},
            {"governor", machine.governor},
            {"thp", machine.thp},
            {"checks", build.checks},
            {"tunables", values}};
}

}  // namespace

std::string chosen_word(const std::string& text) {
    const auto open = text.find('[');
    const auto close = text.find(']', open);
    if (open != std::string::npos && close != std::string::npos) {
        return text.substr(open + 1, close - open - 1);
    }
    return text.substr(0, text.find_last_not_of(" \n\t") + 1);
}

BuildFacts build_facts() {
    return {KMEMLAB_VERSION, compiler_name(), KMEMLAB_FLAGS, KMEMLAB_BUILD_TYPE, enabled_checks()};
}

MachineFacts machine_facts() {
    utsname system{};
    uname(&system);
    const std::string governor =
        chosen_word(read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"));
    const std::string thp = chosen_word(read_text("/sys/kernel/mm/transparent_hugepage/enabled"));
    return {first_value_of("/proc/cpuinfo", "model name"), static_cast<const char*>(system.release),
            governor.empty() ? "none" : governor, thp.empty() ? "none" : thp};
}

std::string command_line(std::span<const std::string> arguments) {
    std::string line;
    for (const std::string& argument : arguments) {
        if (!line.empty()) line += ' ';
        line += quoted(argument);
    }
    return line;
}

Json context(const std::string& command, std::span<const Setting> tunables) {
    Json members = benchmark_members();
    members.update(own_members(command, tunables));
    return members;
}

std::vector<std::pair<std::string, std::string>> custom_context(const std::string& command,
                                                                std::span<const Setting> tunables) {
    std::vector<std::pair<std::string, std::string>> texts;
    const Json members = own_members(command, tunables);
    for (const auto& [key, value] : members.items()) {
        texts.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
    return texts;
}

}  // namespace kmemlab

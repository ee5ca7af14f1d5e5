#include "bench/golden/make.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>

#include "allocators/base/check.hpp"
#include "bench/guests/guest.hpp"

namespace kmemlab::golden {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t little_memory = std::size_t{192} << 20;

void add_traces(std::vector<Experiment>& list, const std::string& kind, const std::string& rest,
                std::initializer_list<int> sizes) {
    for (const int size : sizes) {
        const std::string number = std::to_string(size);
        list.push_back({kind + "-" + number + ".csv", kind + " " + number + " " + rest});
    }
}

void add_pages(std::vector<Experiment>& list) {
    list.push_back({"buddytrace-all.csv", "buddytrace all 20000 0x2345678 150000"});
    list.push_back({"buddytrace-nopcp.csv", "buddytrace nopcp 20000 0x3456789 150000"});
    list.push_back({"buddytrace-hi.csv", "buddytrace hi 8000 0x456789a 150000"});
    const auto under_pressure = [&](const char* file, const char* command) {
        list.push_back({file, command, little_memory});
    };
    under_pressure("buddytrace-all-pressure.csv", "buddytrace all 60000 0x6789abc 1000000");
    under_pressure("buddytrace-nopcp-pressure.csv", "buddytrace nopcp 60000 0x789abcd 1000000");
    under_pressure("buddytrace-hi-pressure.csv", "buddytrace hi 12000 0x89abcde 1000000");
    list.push_back({"vmalloctrace.csv", "vmalloctrace 6000 0x56789ab"});
    list.push_back({"alignvm.csv", "alignvm 12000 0x56789ab"});
}

void add_reaping(std::vector<Experiment>& list) {
    add_traces(list, "reap", "4000 0x1234567 60", {256, 1000});
    add_traces(list, "reap", "4000 0x1234567 40", {64});
    add_traces(list, "reap0", "4000 0x1234567 40", {64, 256, 1000});
    add_traces(list, "reapsleep", "4000 0x1234567 40", {256});
}

void wait_for(pid_t guest) {
    int status = 0;
    waitpid(guest, &status, 0);
}

}  // namespace

Experiment experiment_of(const std::string& command, std::size_t memory) {
    std::string file = command;
    std::replace_if(
        file.begin(), file.end(), [](char c) { return c == ' ' || c == '/'; }, '-');
    return {file + ".csv", command, memory};
}

std::vector<Experiment> public_experiments(const guests::Kernel& kernel) {
    std::vector<Experiment> list{
        {"info.csv", "info"}, {"geometry.csv", "geometry"}, {"kmalloc.csv", "kmalloc"}};
    const std::string nops_and_seed = "20000 0x1234567";
    const std::string bulk = "2000 0x1234567";
    add_traces(list, "slabtrace", nops_and_seed, {32, 100, 192, 512, 620, 1000, 4096});
    add_traces(list, "bulktrace", bulk, {64, 256, 1000});
    if (kernel.allocator == "slab") add_reaping(list);
    if (kernel.allocator != "slub") return list;
    for (const char* objects : {"12", "16", "20"}) {
        list.push_back({std::string{"geometry-minobj"} + objects + ".csv", "geometry",
                        Experiment::usual_memory, std::string{"slub_min_objects="} + objects});
    }
    add_pages(list);
    return list;
}

std::size_t rows_of(std::string_view text) {
    std::size_t rows = 0;
    bool line_begins = true;
    for (const char c : text) {
        if (line_begins && c != '#') ++rows;
        line_begins = c == '\n';
    }
    return rows;
}

std::string ask(const guests::Kernel& kernel, const Experiment& experiment) {
    const guests::ScratchFolder scratch;
    const fs::path root = scratch.path() / "root";
    guests::make_root(root, kernel.folder / "init");
    std::ofstream{root / "cmds"} << "out.csv " << experiment.command << "\n";
    guests::Kernel booted = kernel;
    if (!experiment.append.empty()) booted.append += " " + experiment.append;
    wait_for(guests::boot(booted, "linux-golden", root, experiment.memory, -1));
    std::ifstream in{root / "out" / "out.csv", std::ios::binary};
    std::ostringstream content;
    content << in.rdbuf();
    std::string text = content.str();
    if (text.empty()) {
        throw UsageError::of("kernel:{}: '{}' gave nothing: {}", kernel.name, experiment.command,
                             guests::last_words(root));
    }
    if (text.find("# unknown command") != std::string::npos) {
        throw UsageError::of("kernel:{}: '{}': expected an experiment that this kernel knows", kernel.name,
                             experiment.command);
    }
    return text;
}

}  // namespace kmemlab::golden

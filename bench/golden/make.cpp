#include "bench/golden/make.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

#include "allocators/base/check.hpp"

namespace kmemlab::golden {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t mebibyte = std::size_t{1} << 20;
constexpr std::size_t little_memory = 192 * mebibyte;
// Of machines with several CPUs.
constexpr std::size_t smp_memory = 2048 * mebibyte;
constexpr std::size_t tight_memory = 120 * mebibyte;

void add_traces(std::vector<Experiment>& list, const std::string& kind, const std::string& rest,
                std::initializer_list<int> sizes) {
    for (const int size : sizes) {
        list.push_back({fmt::format("{}-{}.csv", kind, size), fmt::format("{} {} {}", kind, size, rest)});
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

std::string content_of(const fs::path& file) {
    std::ifstream in{file, std::ios::binary};
    std::ostringstream content;
    content << in.rdbuf();
    return content.str();
}

/// The policies say which CPU allocates and which frees (tests/golden/README.md).
std::vector<Experiment> smp_experiments(const std::string& allocator) {
    std::vector<Experiment> list;
    const auto add = [&](const std::string& file, const std::string& command, unsigned cpus = 4,
                         std::size_t bytes = smp_memory) {
        list.push_back({file + ".csv", command, bytes, {}, cpus});
    };
    add("geometry-4", "geometry", 4);
    add("geometry-8", "geometry", 8);
    for (const char* policy : {"local", "random", "prodcons", "pingpong"}) {
        for (const char* size : {"32", "192", "512", "1000", "1024", "4096"}) {
            add(fmt::format("slabtrace-{}-{}", size, policy),
                fmt::format("slabtrace {} {} 20000 0x1234567", size, policy));
        }
    }
    add("slabtrace-192-random-8cpu", "slabtrace 192 random 20000 0x1234567", 8);
    add("info-" + allocator, "info");
    const auto pages = [&](const std::string& kind, const std::string& rest, std::size_t bytes) {
        std::string name = kind;
        std::replace(name.begin(), name.end(), ' ', '-');
        const char* state = bytes == smp_memory ? "" : bytes == tight_memory ? "-tight" : "-pressure";
        add(fmt::format("buddytrace-{}{}-{}", name, state, allocator),
            fmt::format("buddytrace {} {}", kind, rest), 4, bytes);
    };
    for (const std::string policy : {"random", "prodcons"}) {
        pages("all " + policy, "20000 0x2345678 300000", smp_memory);
        pages("all " + policy, "60000 0x6789abc 1000000", little_memory);
        pages("all " + policy, "60000 0xbcdef12 1000000", tight_memory);
    }
    pages("hi random", "12000 0x89abcde 1000000", little_memory);
    pages("nopcp random", "30000 0x789abcd 1000000", little_memory);
    pages("atomic random", "60000 0x9abcdef 1000000", little_memory);
    add("vmalloctrace-" + allocator, "vmalloctrace 20000 0x56789ab");
    add("stacktrace-" + allocator, "stacktrace 400 0xabcdef1");
    return list;
}

void wait_for(pid_t guest) {
    int status = 0;
    waitpid(guest, &status, 0);
}

/// What User-Mode Linux writes, asked by its init.
std::string ask_uml(const guests::Kernel& kernel, const Experiment& experiment, const fs::path& root) {
    guests::make_root(root, kernel.folder / "init");
    std::ofstream{root / "cmds"} << "out.csv " << experiment.command << "\n";
    guests::Kernel booted = kernel;
    if (!experiment.append.empty()) booted.append += " " + experiment.append;
    wait_for(guests::boot(booted, "linux-golden", root, experiment.memory, -1, experiment.name_digits));
    return content_of(root / "out" / "out.csv");
}

constexpr const char* emulator = "qemu-system-x86_64";

void require_emulator() {
    const char* path = std::getenv("PATH");
    std::istringstream folders{path == nullptr ? "" : path};
    for (std::string folder; std::getline(folders, folder, ':');) {
        if (fs::exists(fs::path{folder} / emulator)) return;
    }
    throw UsageError::of("expected {} in PATH; Debian's package is qemu-system-x86", emulator);
}

/// What a kernel in QEMU writes to the debugging port, asked by a parameter. Translated code, one thread: the
/// same each time. Memory above `low` lies beyond 4 GiB, so that the zones exist with little of it.
std::string ask_qemu(const guests::Kernel& kernel, const Experiment& experiment, const fs::path& root) {
    require_emulator();
    fs::create_directories(root);
    const std::size_t mebibytes = experiment.memory / mebibyte;
    const std::size_t low = experiment.memory == tight_memory ? mebibytes / 3 : mebibytes / 2;
    std::string words = experiment.command;
    std::replace(words.begin(), words.end(), ' ', ':');
    wait_for(
        guests::start({"qemu-system-x86_64",
                       "-accel",
                       "tcg,thread=single",
                       "-machine",
                       fmt::format("pc,max-ram-below-4g={}M", low),
                       "-cpu",
                       "qemu64",
                       "-smp",
                       fmt::format("{0},sockets={0},cores=1,threads=1", experiment.cpus),
                       "-m",
                       fmt::format("{}M", mebibytes),
                       "-rtc",
                       "base=2020-01-01,clock=vm",
                       "-nodefaults",
                       "-no-user-config",
                       "-display",
                       "none",
                       "-no-reboot",
                       "-monitor",
                       "none",
                       "-serial",
                       "none",
                       "-chardev",
                       "file,id=dbg,path=" + (root / "out.csv").string(),
                       "-device",
                       "isa-debugcon,iobase=0xe9,chardev=dbg",
                       "-device",
                       "isa-debug-exit,iobase=0xf4,iosize=4",
                       "-kernel",
                       (kernel.folder / "bzImage").string(),
                       "-append",
                       fmt::format("console=ttyS0 nokaslr swiotlb=noforce reboot=t panic=-1 kmr={} {} {}",
                                   words, kernel.append, experiment.append)},
                      root, -1));
    return content_of(root / "out.csv");
}

}  // namespace

Experiment experiment_of(const std::string& command, std::size_t memory, unsigned cpus) {
    std::string file = command;
    std::replace_if(
        file.begin(), file.end(), [](char c) { return c == ' ' || c == '/'; }, '-');
    return {file + ".csv", command, memory, {}, cpus};
}

std::vector<Experiment> public_experiments(const guests::Kernel& kernel) {
    if (kernel.smp) return smp_experiments(kernel.allocator);
    std::vector<Experiment> list{
        {"info.csv", "info"}, {"geometry.csv", "geometry"}, {"kmalloc.csv", "kmalloc"}};
    const std::string nops_and_seed = "20000 0x1234567";
    const std::string bulk = "2000 0x1234567";
    add_traces(list, "slabtrace", nops_and_seed, {32, 100, 192, 512, 620, 1000, 4096});
    add_traces(list, "bulktrace", bulk, {64, 256, 1000});
    if (kernel.allocator == "slob") {
        // These were recorded later, of guests with shorter names.
        for (Experiment& each : list) {
            const bool later = each.command.starts_with("bulktrace") || each.file == "slabtrace-620.csv";
            if (later) each.name_digits = 4;
        }
    }
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
    const fs::path root = scratch.path() / "rt";
    std::string text = kernel.smp ? ask_qemu(kernel, experiment, root) : ask_uml(kernel, experiment, root);
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

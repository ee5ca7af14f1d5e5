#include "bench/guests/guest.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "allocators/base/check.hpp"

namespace kmemlab::guests {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t mebibyte = std::size_t{1} << 20;

std::vector<std::string> kernel_line(const Kernel& kernel, const std::string& image, const fs::path& root,
                                     std::size_t memory, int channel, unsigned digits) {
    const auto serial = static_cast<unsigned>(getpid()) % (digits == name_digits ? 100'000U : 10'000U);
    std::vector<std::string> words{(kernel.folder / image).string(),
                                   fmt::format("mem={}M", memory / mebibyte),
                                   "root=none",
                                   "rootfstype=hostfs",
                                   "rootflags=" + root.string(),
                                   "rw",
                                   "init=/init",
                                   "con=null",
                                   "con0=null,fd:1",
                                   fmt::format("umid=kmr{:0{}}", serial, digits)};
    if (channel >= 0) words.push_back(fmt::format("kmemlab={}", channel));
    std::istringstream more{kernel.append};
    for (std::string word; more >> word;) words.push_back(word);
    return words;
}

/// Becomes the guest; only calls that are safe between fork and exec.
[[noreturn]] void become(std::vector<char*>& words, std::vector<char*>& environment, const char* console,
                         int channel) {
    // A group of its own: an interrupt of the terminal is for us, who then end it.
    setpgid(0, 0);
    // Without it the gap above the program counts as memory, and the zone varies from boot to boot.
    personality(ADDR_NO_RANDOMIZE);
    const int nothing = open("/dev/null", O_RDWR);
    const int out = open(console, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(nothing, 0);
    dup2(out, 1);
    dup2(out, 2);
    if (channel >= 0) fcntl(channel, F_SETFD, 0);
    execvpe(words[0], words.data(), environment.data());
    _exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> list;
    list.reserve(words.size() + 1);
    for (std::string& word : words) list.push_back(word.data());
    list.push_back(nullptr);
    return list;
}

/// Ours, without registration of restartable sequences: UML's processes unmap what glibc has registered.
std::vector<std::string> guest_environment() {
    std::vector<std::string> list;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        if (!text.starts_with("GLIBC_TUNABLES=") && !text.starts_with("LD_PRELOAD=")) list.emplace_back(text);
    }
    list.emplace_back("GLIBC_TUNABLES=glibc.pthread.rseq=0");
    return list;
}

}  // namespace

ScratchFolder::ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "kmemlab-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
        throw UsageError::of("cannot make a folder {}: {}", name, std::strerror(errno));
    }
    path_ = name;
}

ScratchFolder::~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

void make_root(const fs::path& root, const fs::path& init) {
    for (const char* name : {"proc", "sys", "dev", "out", "tmp"}) fs::create_directories(root / name);
    fs::copy_file(init, root / "init");
}

std::string last_words(const fs::path& root) {
    std::string last = "it printed nothing";
    // An emulator's own complaints come after what its guest prints.
    for (const char* name : {"serial", "console"}) {
        std::ifstream in{root / name};
        for (std::string line; std::getline(in, line);) {
            if (!line.empty()) last = line;
        }
    }
    return last;
}

pid_t start(std::vector<std::string> words, const fs::path& root, int channel) {
    std::vector<std::string> variables = guest_environment();
    std::vector<char*> argv = pointers(words);
    std::vector<char*> environment = pointers(variables);
    const std::string console = (root / "console").string();
    const pid_t pid = fork();
    if (pid == 0) become(argv, environment, console.c_str(), channel);
    if (pid < 0) throw UsageError::of("cannot start {}: {}", words.front(), std::strerror(errno));
    return pid;
}

pid_t boot(const Kernel& kernel, const std::string& image, const fs::path& root, std::size_t memory,
           int channel, unsigned digits) {
    return start(kernel_line(kernel, image, root, memory, channel, digits), root, channel);
}

Guest::Guest(const Kernel& kernel, std::size_t memory) : name_{kernel.name} {
    if (kernel.smp) give_up("expected a kernel for one CPU; of this one golden files can be made");
    make_root(folder() / "root", kernel.folder / "serve");
    int ends[2];  // NOLINT(cppcoreguidelines-avoid-c-arrays,modernize-avoid-c-arrays): what socketpair takes
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        throw UsageError::of("kernel:{}: no socket: {}", name_, std::strerror(errno));
    }
    socket_ = ends[0];
    pid_ = boot(kernel, "linux", folder() / "root", memory, ends[1]);
    close(ends[1]);
    ask("hello");
}

Guest::~Guest() {
    close(socket_);
    if (pid_ <= 0) return;
    // It switches itself off; who does not within a second is made to.
    for (int tries = 0; tries < 100; ++tries) {
        if (waitpid(pid_, nullptr, WNOHANG) == pid_) return;
        usleep(10'000);
    }
    kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

void Guest::give_up(const std::string& why) const {
    throw UsageError::of("kernel:{}: {}", name_, why);
}

std::string Guest::answer() {
    std::string line;
    for (char c = 0;;) {
        const ssize_t got = read(socket_, &c, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) give_up("the guest is gone: " + last_words(folder() / "root"));
        if (c == '\n') return line;
        line += c;
    }
}

std::string Guest::ask(const std::string& line) {
    const std::string text = line + "\n";
    if (send(socket_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
        give_up("the guest is gone: " + last_words(folder() / "root"));
    }
    const std::string said = answer();
    if (said.starts_with("ok")) return said.substr(std::min<std::size_t>(3, said.size()));
    give_up(said.substr(said.find(' ') + 1));
}

std::string Guest::file(const std::string& path) {
    const fs::path copy = folder() / "root" / "out" / "copy";
    fs::remove(copy);
    ask("copy " + path + " copy");
    std::ifstream in{copy, std::ios::binary};
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

void Guest::follow_affinity() const {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    // Where it cannot be, the guest runs where the system puts it.
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) (void)sched_setaffinity(pid_, sizeof cpus, &cpus);
}

}  // namespace kmemlab::guests

#include "fuzz/reduce/isolated.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace kmemlab::fuzz {
namespace {

/// Before a finding that the child sends; whatever else it writes is what a crash leaves.
constexpr std::string_view sent =
    "\x01"
    "finding\n";

void write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = write(file, text.data(), text.size());
        if (n <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

[[noreturn]] void run_child(const Target& target, const Program& program, int out) {
    constexpr rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(out, STDERR_FILENO);
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, SIG_DFL);
    const auto found = run(target.make, program, target.language);
    if (found) write_all(out, fmt::format("{}{}\n{}\n{}", sent, found->law, found->operation, found->what));
    _exit(0);
}

/// Everything the child writes; false: it took too long.
bool read_all(int in, unsigned seconds, std::string& text) {
    std::array<char, 4096> buffer{};
    for (;;) {
        pollfd waiting{.fd = in, .events = POLLIN, .revents = 0};
        if (poll(&waiting, 1, static_cast<int>(seconds * 1000)) <= 0) return false;
        const ssize_t n = read(in, buffer.data(), buffer.size());
        if (n <= 0) return true;
        text.append(buffer.data(), static_cast<std::size_t>(n));
    }
}

Finding parse_finding(std::string_view text) {
    Finding finding;
    const std::size_t first = text.find('\n');
    const std::size_t second = text.find('\n', first + 1);
    finding.law = text.substr(0, first);
    finding.operation = std::stoull(std::string{text.substr(first + 1, second - first - 1)});
    finding.what = text.substr(second + 1);
    return finding;
}

/// The line that says most of how a process ended.
std::string telling_line(std::string_view text, int status) {
    for (const std::string_view sign : {"ERROR: ", "runtime error: ", "check failed: ", "terminate called"}) {
        const std::size_t at = text.find(sign);
        if (at == std::string_view::npos) continue;
        const std::size_t begin = text.rfind('\n', at) + 1;
        return std::string{text.substr(begin, text.find('\n', at) - begin)};
    }
    return WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                               : fmt::format("exit status {}", WEXITSTATUS(status));
}

}  // namespace

MaybeFinding run_isolated(const Target& target, const Program& program, unsigned seconds) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) throw UsageError::of("fuzz: no pipe: {}", std::strerror(errno));
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) throw UsageError::of("fuzz: no process: {}", std::strerror(errno));
    if (child == 0) {
        close(ends[0]);
        run_child(target, program, ends[1]);
    }
    close(ends[1]);
    std::string text;
    const bool ended = read_all(ends[0], seconds, text);
    close(ends[0]);
    if (!ended) kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    const std::size_t end = program.operations.size();
    if (!ended) return Finding{"C4", fmt::format("it does not end within {} s", seconds), end};
    if (const std::size_t at = text.find(sent); at != std::string::npos)
        return parse_finding(std::string_view{text}.substr(at + sent.size()));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return Finding{"crash", telling_line(text, status), end};
}

}  // namespace kmemlab::fuzz

/// Runs code that is meant to end its process, in a process of its own.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace kmemlab::test {

struct ChildEnd {
    int signal = 0;      ///< that ended it, or 0
    int status = 0;      ///< its exit status if no signal did
    std::string errors;  ///< what it wrote to stderr
};

/// Forks, runs `body` in the child and reports how that ended: status 0 if `body` came back. The caller must
/// have no other threads.
template <class Body>
[[nodiscard]] ChildEnd run_in_child(Body&& body) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("no process");
    if (child == 0) {
        constexpr rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        std::signal(SIGABRT, SIG_DFL);  // the test framework's would report a failure
        std::signal(SIGSEGV, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    close(ends[1]);
    ChildEnd end;
    std::array<char, 4096> buffer{};
    ssize_t got = 0;
    while ((got = read(ends[0], buffer.data(), buffer.size())) > 0) {
        end.errors.append(buffer.data(), static_cast<std::size_t>(got));
    }
    close(ends[0]);
    int how = 0;
    waitpid(child, &how, 0);
    if (WIFSIGNALED(how)) end.signal = WTERMSIG(how);
    if (WIFEXITED(how)) end.status = WEXITSTATUS(how);
    return end;
}

}  // namespace kmemlab::test

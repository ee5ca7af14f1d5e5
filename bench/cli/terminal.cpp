#include "bench/cli/terminal.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>

namespace kmemlab::cli {
namespace {

// A signal handler can reach nothing else.
volatile std::sig_atomic_t signal_seen = 0;

void note_signal(int) {
    signal_seen = 1;
}

}  // namespace

std::string duration(double seconds) {
    constexpr double minute = 60;
    constexpr double hour = 60 * minute;
    if (seconds < 2 * minute) return fmt::format("{:.0f} s", seconds);
    if (seconds < 2 * hour) return fmt::format("{:.0f} min", seconds / minute);
    return fmt::format("{:.1f} h", seconds / hour);
}

ProgressLine::ProgressLine() : enabled_{isatty(STDERR_FILENO) == 1} {}

ProgressLine::~ProgressLine() {
    clear();
}

void ProgressLine::show(std::string_view what, std::uint64_t done, std::uint64_t total) {
    if (!enabled_) return;
    std::string line = total == 0
                           ? fmt::format("{} ...", what)
                           : fmt::format("{} {:3.0f} %{}", what,
                                         100.0 * static_cast<double>(done) / static_cast<double>(total),
                                         time_left(what, done, total));
    if (line == shown_) return;
    const std::size_t before = shown_.size();
    shown_ = std::move(line);
    fmt::print(stderr, "\r{:<{}}", shown_, before);
    std::fflush(stderr);
}

/// As long for each of the rest as for those before, once that can be told; nothing until then.
std::string ProgressLine::time_left(std::string_view what, std::uint64_t done, std::uint64_t total) {
    constexpr double soon = 2;  // seconds after which a guess is worth something
    const auto now = std::chrono::steady_clock::now();
    if (what != what_ || done < begun_with_) {
        what_ = what;
        begin_ = now;
        begun_with_ = done;
    }
    const double passed = std::chrono::duration<double>(now - begin_).count();
    if (passed < soon || done == begun_with_) return "";
    return fmt::format(", {} left", duration(passed / static_cast<double>(done - begun_with_) *
                                             static_cast<double>(total - done)));
}

void ProgressLine::clear() {
    if (!enabled_ || shown_.empty()) return;
    fmt::print(stderr, "\r{:<{}}\r", "", shown_.size());
    std::fflush(stderr);
    shown_.clear();
}

void catch_interrupts() {
    struct sigaction action {};
    action.sa_handler = note_signal;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() {
    return signal_seen != 0;
}

}  // namespace kmemlab::cli

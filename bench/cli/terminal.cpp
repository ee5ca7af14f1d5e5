#include "bench/cli/terminal.hpp"

#include <fmt/format.h>
#include <unistd.h>

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

ProgressLine::ProgressLine() : enabled_{isatty(STDERR_FILENO) == 1} {}

ProgressLine::~ProgressLine() {
    clear();
}

void ProgressLine::show(std::string_view what, std::uint64_t done, std::uint64_t total) {
    if (!enabled_) return;
    std::string line = total == 0
                           ? fmt::format("{} ...", what)
                           : fmt::format("{} {:3.0f} %", what,
                                         100.0 * static_cast<double>(done) / static_cast<double>(total));
    if (line == shown_) return;
    const std::size_t before = shown_.size();
    shown_ = std::move(line);
    fmt::print(stderr, "\r{:<{}}", shown_, before);
    std::fflush(stderr);
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

/// What the program says to somebody who waits for it, and how it hears that he no longer does.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace kmemlab::cli {

/// "25 s", "3 min", "2 h 10 min": for people who wait.
[[nodiscard]] std::string duration(double seconds);

/// One line on stderr that overwrites itself: what is done, how far, how long still. Silent unless stderr is
/// a terminal.
class ProgressLine {
  public:
    ProgressLine();
    ~ProgressLine();
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    /// `total` 0: nobody knows how much there is to do.
    void show(std::string_view what, std::uint64_t done, std::uint64_t total);
    void clear();

  private:
    [[nodiscard]] std::string time_left(std::string_view what, std::uint64_t done, std::uint64_t total);

    bool enabled_;
    std::string shown_;
    std::string what_;  ///< that has been shown since begin_, when begun_with_ was done
    std::chrono::steady_clock::time_point begin_;
    std::uint64_t begun_with_ = 0;
};

/// From now on SIGINT and SIGTERM only set a flag, which interrupted() tells.
void catch_interrupts();
[[nodiscard]] bool interrupted();

}  // namespace kmemlab::cli

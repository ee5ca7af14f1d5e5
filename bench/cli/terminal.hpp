/// What the program says to somebody who waits for it, and how it hears that he no longer does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kmemlab::cli {

/// One line on stderr that overwrites itself; silent unless stderr is a terminal.
class ProgressLine {
  public:
    ProgressLine();
    ~ProgressLine();
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void show(std::string_view what, std::uint64_t done, std::uint64_t total);
    void clear();

  private:
    bool enabled_;
    std::string shown_;
};

/// From now on SIGINT and SIGTERM only set a flag, which interrupted() tells.
void catch_interrupts();
[[nodiscard]] bool interrupted();

}  // namespace kmemlab::cli

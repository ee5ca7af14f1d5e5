/// What an interrupt leaves of a run that writes --json FILE: FILE.partial, a result file with the
/// repetitions so far, with which --resume goes on.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "bench/measure/environment.hpp"

namespace kmemlab::cli {

class Partial {
  public:
    static constexpr const char* resume_help =
        "Go on with what an interrupted run of the same command has left beside --json FILE";

    /// `file`: that of --json; empty if there is none.
    explicit Partial(const std::string& file) : name_{file.empty() ? "" : file + ".partial"} {}

    [[nodiscard]] const std::string& name() const { return name_; }
    /// The file, measured on this machine by this build; nothing if there is none. Throws UsageError if it is
    /// of another one, or without --json.
    [[nodiscard]] std::optional<Json> read() const;
    /// Writes it, and tells how to go on.
    void keep(const Json& result, std::size_t done, std::size_t wanted) const;
    /// Removes it, of a run before this one too.
    void remove() const;

  private:
    std::string name_;
};

}  // namespace kmemlab::cli

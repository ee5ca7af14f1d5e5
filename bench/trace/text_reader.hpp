/// The text of a recording, in pieces of any size -> a Trace. Holds no more text than one unfinished line.
#pragma once

#include <string>
#include <string_view>

#include "allocators/base/check.hpp"
#include "bench/trace/resolver.hpp"

namespace kmemlab::trace {

class TextReader {
  public:
    /// `file` is what messages call the source.
    explicit TextReader(std::string file) : file_{std::move(file)} {}

    /// Throws UsageError for the first line that is wrong.
    void feed(std::string_view bytes);
    /// Throws UsageError if the last line has no end, or nothing of ours was found.
    [[nodiscard]] Trace finish();

    /// An error at the line that is being read: "FILE:LINE: what".
    [[nodiscard]] UsageError error(std::string_view what) const;

  private:
    void take_line(std::string_view line);
    void keep_unfinished(std::string_view bytes);
    void check_length(std::size_t bytes) const;

    std::string file_;
    std::string unfinished_;
    std::uint64_t line_ = 1;  ///< the one being read
    Resolver resolver_;
    Record record_;
};

}  // namespace kmemlab::trace

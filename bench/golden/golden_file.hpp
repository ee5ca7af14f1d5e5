/// A file of golden data: what a real kernel did, as text.
///
///     # key=value key=value        parameters, any number of such lines
///     op,kind,id,...               names of columns, in most formats
///     0,A,0,...                    rows: fields between commas, no quoting
///
/// tests/golden/README.md describes the formats. Files may be compressed by zstd or gzip.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/base/check.hpp"

namespace kmemlab::golden {

/// The fields between `separator`s; one empty field of an empty line.
[[nodiscard]] std::vector<std::string_view> fields_of(std::string_view line, char separator = ',');
/// A whole number, perhaps negative, perhaps hexadecimal after 0x; nothing if `text` is none.
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text);

class GoldenFile {
  public:
    /// Reads a file; "-" is standard input. Throws UsageError if it cannot be read to its end, is empty, or
    /// ends in the middle of a line.
    [[nodiscard]] static GoldenFile read(const std::string& path);
    /// `name` is for messages, `text` the decompressed content. Throws UsageError as read() does.
    GoldenFile(std::string name, std::string text);

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const std::vector<std::string_view>& lines() const { return lines_; }

    /// The value of `key=` in the lines that begin with '#', the first if there are several.
    [[nodiscard]] std::optional<std::string_view> find_parameter(std::string_view key) const;
    /// The same; throws UsageError if there is none.
    [[nodiscard]] std::string_view parameter(std::string_view key) const;
    /// Its value as a number in `least`..`most`; throws UsageError if it is none.
    [[nodiscard]] std::uint64_t number(std::string_view key, std::uint64_t least, std::uint64_t most) const;
    /// The line of a parameter, from 0 on.
    [[nodiscard]] std::size_t line_of_parameter(std::string_view key) const;

    /// A field of line `line` (from 0 on) as a number in 0..most; throws UsageError naming the line.
    [[nodiscard]] std::uint64_t number_at(std::size_t line, std::string_view field, std::uint64_t most) const;

    /// For lines that cannot be used: "FILE:LINE: ...", lines counted from 1 there.
    template <class... Args>
    [[nodiscard]] UsageError bad(std::size_t line, fmt::format_string<Args...> format, Args&&... args) const {
        return UsageError::of("{}:{}: {}", name_, line + 1, fmt::format(format, std::forward<Args>(args)...));
    }

  private:
    struct Parameter {
        std::string_view value;
        std::size_t line;
    };

    std::string name_;
    std::vector<char> text_;  ///< on the heap even if short, so that views outlive a move
    std::vector<std::string_view> lines_;
    std::map<std::string_view, Parameter> parameters_;
};

}  // namespace kmemlab::golden

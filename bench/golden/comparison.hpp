/// Our answers against the lines of a golden file, one after the other. The first that differs ends the
/// comparison by throwing Difference, which check() (check.hpp) catches, unless all are to be counted; a line
/// that is no row of the format is bad input, a UsageError.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocators/base/check.hpp"
#include "bench/golden/golden_file.hpp"

namespace kmemlab::golden {

/// The kernel's answer and ours. Thrown to end a comparison; not an error of anybody's.
struct Difference {
    std::size_t row = 0;   ///< line of the decompressed file, from 1 on
    std::string expected;  ///< what the file says
    std::string found;     ///< what the model answers
};

/// Whether a comparison ends with the first difference, or goes on and counts. Behind a difference a model
/// has another state than the kernel had, so what it counts then is a lower bound of what agrees.
enum class Extent : std::uint8_t { to_first_difference, everything };

class Comparison {
  public:
    explicit Comparison(const GoldenFile& file, Extent extent = Extent::to_first_difference)
        : file_{file}, extent_{extent} {}

    /// Of those compared, and the first of them.
    [[nodiscard]] std::uint64_t differing() const { return differing_; }
    [[nodiscard]] const std::optional<Difference>& first_difference() const { return first_; }

    /// Rows of the format, one of each kind: a line that is not like one of them is bad input. In a form, a
    /// number stands for any number, * for any field, ** for any rest, all else for itself.
    void set_forms(std::vector<std::string> forms) { forms_ = std::move(forms); }

    [[nodiscard]] const GoldenFile& file() const { return file_; }
    /// Rows compared so far.
    [[nodiscard]] std::uint64_t rows() const { return rows_; }
    [[nodiscard]] std::size_t line() const { return line_; }
    [[nodiscard]] bool at_end() const { return line_ == file_.lines().size(); }
    /// The next line that is not compared yet; empty at the end.
    [[nodiscard]] std::string_view next() const { return at_end() ? "" : file_.lines()[line_]; }
    /// Fields of the next line, which must be like one of the forms.
    [[nodiscard]] std::vector<std::string_view> next_row() const;

    /// Throws UsageError if line `line` is like none of the forms.
    void check_form(std::size_t line) const;

    /// Passes the lines that begin with '#' and, if there is one, the line of column names.
    void pass_header(std::string_view first_column);
    /// Our answer to the next line.
    void row(std::string_view found);
    /// Our answer to a line that is not next.
    void row_at(std::size_t line, std::string_view found);
    /// Two answers, of which the file's is a part of its line.
    void same_at(std::size_t line, std::string_view expected, std::string_view found);
    /// Our value of a parameter; one that the file does not have is not compared.
    template <class T>
    void parameter(std::string_view key, const T& found) {
        const auto expected = file_.find_parameter(key);
        if (!expected) return;
        ++rows_;
        const std::string ours = fmt::format("{}", found);
        if (ours != *expected) {
            differ({file_.line_of_parameter(key) + 1, fmt::format("{}={}", key, *expected),
                    fmt::format("{}={}", key, ours)});
        }
    }
    /// There must be no further line.
    void end();
    /// A model's broken law is a difference too.
    void lawful(const MaybeViolation& violation);

  private:
    void differ(Difference difference);
    [[nodiscard]] bool has_form(std::string_view line) const;

    const GoldenFile& file_;
    Extent extent_;
    std::optional<Difference> first_;
    std::uint64_t differing_ = 0;
    std::vector<std::string> forms_;
    std::size_t line_ = 0;
    std::uint64_t rows_ = 0;
};

}  // namespace kmemlab::golden

#include "bench/golden/comparison.hpp"

#include <fmt/ranges.h>

#include <algorithm>

namespace kmemlab::golden {
namespace {

bool is_like(const std::vector<std::string_view>& fields, const std::vector<std::string_view>& form) {
    for (std::size_t i = 0; i < form.size(); ++i) {
        if (form[i] == "**") return true;
        if (i == fields.size()) return false;
        const bool number = parse_integer(form[i]).has_value();
        if (number ? !parse_integer(fields[i]) : form[i] != "*" && form[i] != fields[i]) return false;
    }
    return fields.size() == form.size();
}

}  // namespace

bool Comparison::has_form(std::string_view line) const {
    const auto fields = fields_of(line);
    return std::any_of(forms_.begin(), forms_.end(),
                       [&](std::string_view form) { return is_like(fields, fields_of(form)); });
}

void Comparison::check_form(std::size_t line) const {
    if (has_form(file_.lines()[line])) return;
    throw file_.bad(line, "'{}' is no row of this format; expected one like {}", file_.lines()[line],
                    fmt::join(forms_, " or "));
}

std::vector<std::string_view> Comparison::next_row() const {
    if (at_end()) throw file_.bad(line_, "the file ends here; expected further rows");
    check_form(line_);
    return fields_of(next());
}

void Comparison::pass_header(std::string_view first_column) {
    while (!at_end() && next().starts_with('#')) ++line_;
    if (fields_of(next()).front() == first_column) ++line_;
}

void Comparison::row(std::string_view found) {
    if (at_end()) throw file_.bad(line_, "the file ends here; expected a row for our answer {}", found);
    row_at(line_, found);
    ++line_;
}

void Comparison::row_at(std::size_t line, std::string_view found) {
    if (file_.lines()[line] != found) check_form(line);
    same_at(line, file_.lines()[line], found);
}

void Comparison::same_at(std::size_t line, std::string_view expected, std::string_view found) {
    ++rows_;
    if (expected != found) differ({line + 1, std::string{expected}, std::string{found}});
}

void Comparison::differ(Difference difference) {
    if (extent_ == Extent::to_first_difference) throw Difference{std::move(difference)};
    ++differing_;
    if (!first_) first_ = std::move(difference);
}

void Comparison::end() {
    if (at_end()) return;
    check_form(line_);
    differ({line_ + 1, std::string{next()}, "no further row"});
}

void Comparison::lawful(const MaybeViolation& violation) {
    if (!violation) return;
    differ({line_, "no broken law", "a broken law, " + violation->message()});
}

}  // namespace kmemlab::golden

#include "bench/golden/golden_file.hpp"

#include <charconv>
#include <utility>

#include "bench/trace/byte_stream.hpp"
#include "bench/trace/numbers.hpp"

namespace kmemlab::golden {

std::vector<std::string_view> fields_of(std::string_view line, char separator) {
    std::vector<std::string_view> fields;
    for (;;) {
        const auto end = line.find(separator);
        fields.push_back(line.substr(0, end));
        if (end == std::string_view::npos) return fields;
        line.remove_prefix(end + 1);
    }
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
    const bool negative = text.starts_with('-');
    const auto digits = trace::parse_number(text.substr(negative ? 1 : 0));
    if (!digits) return std::nullopt;
    const auto value = static_cast<std::int64_t>(*digits);
    return negative ? -value : value;
}

GoldenFile GoldenFile::read(const std::string& path) {
    std::string text;
    try {
        trace::ByteStream stream{path};
        for (std::string_view bytes; !(bytes = stream.next()).empty();) text += bytes;
    } catch (const trace::StreamError& error) {
        throw UsageError::of("{}: {}", path, error.what());
    }
    return {path == "-" ? "standard input" : path, std::move(text)};
}

GoldenFile::GoldenFile(std::string name, std::string text)
    : name_{std::move(name)}, text_{text.begin(), text.end()} {
    std::string_view rest{text_.data(), text_.size()};
    if (rest.empty()) throw UsageError::of("{}: empty; expected golden data", name_);
    const bool whole = rest.ends_with('\n');
    if (whole) rest.remove_suffix(1);
    lines_ = fields_of(rest, '\n');
    if (!whole) throw bad(lines_.size() - 1, "ends in the middle of a line; expected a whole file");
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        if (!lines_[i].starts_with('#')) continue;
        for (const std::string_view field : fields_of(lines_[i], ' ')) {
            const auto equals = field.find('=');
            if (equals != std::string_view::npos) {
                parameters_.try_emplace(field.substr(0, equals), Parameter{field.substr(equals + 1), i});
            }
        }
    }
}

std::optional<std::string_view> GoldenFile::find_parameter(std::string_view key) const {
    const auto found = parameters_.find(key);
    if (found == parameters_.end()) return std::nullopt;
    return found->second.value;
}

std::string_view GoldenFile::parameter(std::string_view key) const {
    const auto found = find_parameter(key);
    if (!found) throw UsageError::of("{}: expected a line beginning with # that has {}=", name_, key);
    return *found;
}

std::uint64_t GoldenFile::number(std::string_view key, std::uint64_t least, std::uint64_t most) const {
    const std::string_view text = parameter(key);
    const auto value = trace::parse_number(text);
    if (!value || *value < least || *value > most) {
        throw bad(line_of_parameter(key), "{}={}: expected {}..{}", key, text, least, most);
    }
    return *value;
}

std::size_t GoldenFile::line_of_parameter(std::string_view key) const {
    const auto found = parameters_.find(key);
    return found == parameters_.end() ? 0 : found->second.line;
}

std::uint64_t GoldenFile::number_at(std::size_t line, std::string_view field, std::uint64_t most) const {
    const auto value = trace::parse_number(field);
    if (!value || *value > most) throw bad(line, "'{}': expected a number up to {}", field, most);
    return *value;
}

}  // namespace kmemlab::golden

#include "tests/support/golden.hpp"

#include <zstd.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace kmemlab::test {
namespace {

std::filesystem::path path_of(const std::string& name) {
    const char* const other = std::getenv("KMEMLAB_GOLDEN");
    return std::filesystem::path{other != nullptr ? other : "tests/golden"} / name;
}

std::string decompress(const std::string& packed, const std::string& name) {
    const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
    if (size == ZSTD_CONTENTSIZE_ERROR) throw std::runtime_error(name + ": not zstd");
    // A frame written by a pipe does not tell its size; these files are small and compress well.
    std::string text(size == ZSTD_CONTENTSIZE_UNKNOWN ? std::size_t{64} << 20 : size, '\0');
    const std::size_t got = ZSTD_decompress(text.data(), text.size(), packed.data(), packed.size());
    if (ZSTD_isError(got) != 0) throw std::runtime_error(name + ": " + ZSTD_getErrorName(got));
    text.resize(got);
    return text;
}

}  // namespace

bool have_golden(const std::string& name) {
    return std::filesystem::exists(path_of(name));
}

std::string read_golden(const std::string& name) {
    std::ifstream file{path_of(name), std::ios::binary};
    if (!file) throw std::runtime_error("cannot read " + path_of(name).string());
    std::string content(std::filesystem::file_size(path_of(name)), '\0');
    file.read(content.data(), static_cast<std::streamsize>(content.size()));
    return name.ends_with(".zst") ? decompress(content, name) : content;
}

std::vector<std::string_view> lines_of(std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    return fields_of(text, '\n');
}

std::vector<std::string_view> fields_of(std::string_view line, char separator) {
    std::vector<std::string_view> fields;
    for (;;) {
        const auto end = line.find(separator);
        fields.push_back(line.substr(0, end));
        if (end == std::string_view::npos) return fields;
        line.remove_prefix(end + 1);
    }
}

std::string parameter(std::string_view text, std::string_view key) {
    for (const std::string_view line : lines_of(text)) {
        if (!line.starts_with('#')) continue;
        for (const std::string_view field : fields_of(line, ' ')) {
            const auto equals = field.find('=');
            if (equals != std::string_view::npos && field.substr(0, equals) == key) {
                return std::string{field.substr(equals + 1)};
            }
        }
    }
    throw std::runtime_error("golden file without parameter " + std::string{key});
}

std::int64_t number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        throw std::runtime_error("not a number: " + std::string{text});
    }
    return value;
}

}  // namespace kmemlab::test

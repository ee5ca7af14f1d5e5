/// The shipped files, for the tests of what reads them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bench/golden/golden_file.hpp"

namespace kmemlab::test {

inline const std::filesystem::path golden_folder = "tests/golden";

/// The data files of a folder of tests/golden whose names begin so.
[[nodiscard]] inline std::vector<std::string> golden_files(std::string_view folder,
                                                           std::string_view beginning = "") {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{golden_folder / folder}) {
        if (entry.path().filename().string().starts_with(beginning)) names.push_back(entry.path().string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

[[nodiscard]] inline golden::GoldenFile shipped(const std::string& name) {
    return golden::GoldenFile::read((golden_folder / name).string());
}

/// The lines of a file, to be changed, and a file of changed lines.
[[nodiscard]] inline std::vector<std::string> lines_of(const golden::GoldenFile& file) {
    return {file.lines().begin(), file.lines().end()};
}
[[nodiscard]] inline golden::GoldenFile file_of(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
        text += line;
        text += '\n';
    }
    return {"changed", text};
}

}  // namespace kmemlab::test

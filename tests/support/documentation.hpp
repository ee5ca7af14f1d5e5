/// What docs/results.md says of a result file, for tests that hold programs to it.
#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "bench/measure/environment.hpp"

namespace kmemlab::test {

using Names = std::set<std::string>;

/// The names in the first column of each table in the section of docs/results.md that explains `section`.
[[nodiscard]] inline std::vector<Names> documented_tables(const std::string& section) {
    std::ifstream file{"docs/results.md"};
    REQUIRE(file);
    std::vector<Names> tables;
    bool inside_section = false;
    bool inside_table = false;
    const std::regex name{"`([a-z0-9_]+)`"};
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("## ")) inside_section = line.starts_with("## `" + section + "`");
        const bool row = inside_section && line.starts_with('|');
        if (row && !inside_table) tables.emplace_back();
        inside_table = row;
        if (!row) continue;
        const std::string column = line.substr(0, line.find('|', 1));
        for (std::sregex_iterator i{column.begin(), column.end(), name}, end; i != end; ++i) {
            tables.back().insert((*i)[1]);
        }
    }
    return tables;
}

[[nodiscard]] inline Names members(const Json& object) {
    Names names;
    for (const auto& [key, value] : object.items()) names.insert(key);
    return names;
}

}  // namespace kmemlab::test

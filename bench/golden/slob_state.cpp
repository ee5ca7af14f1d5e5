#include "bench/golden/slob_state.hpp"

#include <string_view>

namespace kmemlab::golden {
namespace {

SlobList list_named(const GoldenFile& file, std::size_t line, std::string_view name) {
    for (const SlobList list : {SlobList::small, SlobList::medium, SlobList::large}) {
        if (to_string(list) == name) return list;
    }
    throw file.bad(line, "no list '{}'; expected small, medium or large", name);
}

void add_block(const GoldenFile& file, std::size_t line, const std::vector<std::string_view>& row,
               SlobPageState& page) {
    const auto at = file.number_at(line, row[4], page_size - 1) / slob_unit_bytes;
    const auto length = file.number_at(line, row[6], slob_page_units - at);
    const auto least = page.blocks.empty() ? 0 : page.blocks.back().at + page.blocks.back().length + 1U;
    if (at < least || length == 0) throw file.bad(line, "expected a block apart from the one before");
    page.blocks.push_back({static_cast<SlobUnits>(at), static_cast<SlobUnits>(length)});
}

}  // namespace

std::vector<SlobPageState> read_slob_state(const GoldenFile& file, std::size_t line) {
    std::vector<SlobPageState> state;
    for (; line < file.lines().size(); ++line) {
        const auto row = fields_of(file.lines()[line]);
        if (row.size() != 8) break;
        if (row[1] == "P") {
            state.push_back({list_named(file, line, row[7]), {}});
        } else if (row[1] == "B" && !state.empty()) {
            add_block(file, line, row, state.back());
        }
    }
    return state;
}

}  // namespace kmemlab::golden

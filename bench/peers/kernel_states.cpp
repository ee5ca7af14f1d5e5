#include "bench/peers/kernel_states.hpp"

#include <algorithm>

#include "bench/golden/slob_state.hpp"

namespace kmemlab::peers {
namespace {

void add_pages(const golden::GoldenFile& file, KernelStates& states) {
    const golden::RecordedState state{file};
    if (state.zones().size() != 1 || state.several_cpus())
        throw file.bad(0, "expected the pages of one zone and one CPU");
    if (state.pageblock_order() != max_order.value())
        throw file.bad(0, "pageblock_order={}: expected {}", state.pageblock_order(), max_order.value());
    const golden::RecordedZone& zone = state.zones().front();
    const auto& sets = zone.state.page_sets;
    const bool pcp = std::any_of(sets.begin(), sets.end(), [](const auto& set) { return set.high > 0; });
    (pcp ? states.pages : states.pages_without_pcp) = zone;
}

/// The line behind the names of columns.
std::size_t first_row(const golden::GoldenFile& file) {
    const auto& lines = file.lines();
    const auto names = std::find_if(lines.begin(), lines.end(),
                                    [](std::string_view line) { return !line.starts_with('#'); });
    return static_cast<std::size_t>(names - lines.begin()) + 1;
}

}  // namespace

KernelStates read_states(std::span<const std::string> files) {
    KernelStates states;
    for (const std::string& name : files) {
        const auto file = golden::GoldenFile::read(name);
        const bool of_pages =
            std::any_of(file.lines().begin(), file.lines().end(),
                        [](std::string_view line) { return line.starts_with("# buddytrace "); });
        if (of_pages) {
            add_pages(file, states);
        } else if (file.find_parameter("allocator") == "slob") {
            states.slob = golden::read_slob_state(file, first_row(file));
            if (states.slob.empty()) throw file.bad(first_row(file), "expected rows P and B, SLOB's lists");
        } else {
            throw file.bad(0, "expected a trace of pages, or of SLOB's objects");
        }
    }
    return states;
}

}  // namespace kmemlab::peers

/// What a program's set-up sets of a machine's parts.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocators/buddy/zone_layout.hpp"
#include "fuzz/program/program.hpp"

namespace kmemlab::fuzz {

/// The zones, and each setting of the part that has it. Throws UsageError if a part refuses its value.
template <class... Parts>
void apply_setup(const Setup& setup, const Language& language, BuddyConfig& buddy, Parts&... parts) {
    buddy.layout = setup.zone_layout();
    std::vector<Setting> settings;
    settings.reserve(knob_count);
    for (auto& [key, value] : settings_of(setup, language))
        settings.push_back({std::move(key), std::move(value)});
    if (settings.empty()) return;
    const auto apply = [&](auto& part) { apply_settings(settings, part.tunables()); };
    apply(buddy);
    (apply(parts), ...);
}

/// The same for an allocator that the registry makes, with a machine of its own below.
[[nodiscard]] inline std::vector<Setting> registry_settings(const Setup& setup, const Language& language,
                                                            std::string_view layout) {
    std::vector<Setting> settings{{"machine.arena", std::to_string(setup.arena_bytes())},
                                  {"machine.start_pfn", std::to_string(setup.start_pfn())},
                                  {"machine.cpus", std::to_string(setup.cpu_count())},
                                  {"zone.layout", std::string{layout}}};
    for (const auto& [key, value] : settings_of(setup, language)) settings.push_back({key, value});
    return settings;
}

}  // namespace kmemlab::fuzz

/// What a program's set-up sets of a machine's parts.
#pragma once

#include <vector>

#include "allocators/buddy/zone_layout.hpp"
#include "fuzz/program/program.hpp"

namespace kmemlab::fuzz {

/// The zones, and each setting of the part that has it. Throws UsageError if a part refuses its value.
template <class... Parts>
void apply_setup(const Setup& setup, const Language& language, BuddyConfig& buddy, Parts&... parts) {
    buddy.layout = setup.zone_layout();
    std::vector<Setting> settings;
    for (const auto& [key, value] : settings_of(setup, language)) settings.push_back({key, value});
    if (settings.empty()) return;
    const auto apply = [&](auto& part) { apply_settings(settings, part.tunables()); };
    apply(buddy);
    (apply(parts), ...);
}

}  // namespace kmemlab::fuzz

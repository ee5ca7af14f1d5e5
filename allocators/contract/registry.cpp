#include "allocators/contract/registry.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace kmemlab {

std::vector<std::string> model_names() {
    std::vector<std::string> names;
    for_each_model([&]<class M>() { names.emplace_back(M::info.name); });
    return names;
}

void refuse_model(std::string_view name) {
    throw UsageError::of("no allocator '{}'; there are: {}", name, fmt::join(model_names(), ", "));
}

AnyAllocator make_allocator(std::string_view name, std::span<const Setting> settings) {
    std::optional<AnyAllocator> made;
    visit_model(name, [&]<class M>() { made.emplace(AnyAllocator::of<M>(configure<M>(settings))); });
    return std::move(*made);
}

std::vector<TunableValue> tunables_of(std::string_view name, std::span<const Setting> settings) {
    std::vector<TunableValue> values;
    visit_model(name, [&]<class M>() { values = tunables_of<M>(settings); });
    return values;
}

void check_settings(std::span<const Setting> settings, std::span<const std::string> names) {
    std::vector<TunableValue> tunables;
    for (const std::string& name : names) {
        for (TunableValue& tunable : tunables_of(name, settings)) tunables.push_back(std::move(tunable));
    }
    check_settings(settings, tunables);
}

void check_settings(std::span<const Setting> settings, std::span<const TunableValue> tunables) {
    std::vector<std::string> known;
    for (const TunableValue& tunable : tunables) {
        if (std::find(known.begin(), known.end(), tunable.key) == known.end()) known.push_back(tunable.key);
    }
    refuse_unknown(settings, known);
}

}  // namespace kmemlab

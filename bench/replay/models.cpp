#include "bench/replay/models.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "bench/replay/kernel_session.hpp"

namespace kmemlab::replay {

void refuse_replay_model(std::string_view name) {
    std::vector<std::string_view> names;
    for_each_model([&]<class M>() { names.push_back(M::info.name); }, ReplayModels{});
    throw UsageError::of("no allocator '{}'; there are: {}, and kernel:NAME", name, fmt::join(names, ", "));
}

std::string why_absent(std::string_view name) {
    std::string why;
    for_each_model(
        [&]<class M>() {
            if (M::info.name == name) why = peers::load_peer(name).absent;
        },
        peers::PeerModels{});
    return why;
}

std::vector<TunableValue> replay_tunables_of(std::string_view name, std::span<const Setting> settings) {
    if (is_kernel(name)) return kernel_tunables(name, settings);
    std::vector<TunableValue> values;
    visit_replay_model(name, [&]<class M>() { values = tunables_of<M>(settings); });
    return values;
}

void check_replay_settings(std::span<const Setting> settings, std::span<const std::string> names) {
    std::vector<TunableValue> tunables;
    for (const std::string& name : names) {
        for (TunableValue& tunable : replay_tunables_of(name, settings)) {
            tunables.push_back(std::move(tunable));
        }
    }
    check_settings(settings, tunables);
}

}  // namespace kmemlab::replay

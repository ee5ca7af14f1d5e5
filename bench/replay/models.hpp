/// Who can replay: the models of the registry, and the peers' mallocs, which are no models of a kernel and
/// have no place in the registry.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "allocators/contract/registry.hpp"
#include "bench/peers/peer_model.hpp"

namespace kmemlab::replay {

using ReplayModels = decltype(joined(Models{}, peers::PeerModels{}));

/// Throws UsageError that lists the valid names.
[[noreturn]] void refuse_replay_model(std::string_view name);

/// Calls visit.operator()<M>() for the model of that name. Throws UsageError if there is none.
template <class Visit>
void visit_replay_model(std::string_view name, Visit&& visit) {
    bool found = false;
    for_each_model(
        [&]<class M>() {
            if (found || M::info.name != name) return;
            found = true;
            visit.template operator()<M>();
        },
        ReplayModels{});
    if (!found) refuse_replay_model(name);
}

/// Why a peer cannot be run here; empty if it can, and for the models of the registry.
[[nodiscard]] std::string why_absent(std::string_view name);

/// As those of the registry, for peers too.
[[nodiscard]] std::vector<TunableValue> replay_tunables_of(std::string_view name,
                                                           std::span<const Setting> settings = {});
void check_replay_settings(std::span<const Setting> settings, std::span<const std::string> names);

}  // namespace kmemlab::replay

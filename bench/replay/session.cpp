#include "bench/replay/session.hpp"

#include "bench/replay/kernel_session.hpp"
#include "bench/replay/models.hpp"
#include "bench/replay/null_models.hpp"
#include "bench/replay/target_session.hpp"
#include "bench/replay/targets.hpp"

namespace kmemlab::replay {
namespace {

template <class M>
std::unique_ptr<Session> session_of(const typename M::Config& config, const Workload& work) {
    return std::make_unique<TargetSession<TargetOf<M>>>(config, work);
}

}  // namespace

std::unique_ptr<Session> open_session(std::string_view name, std::span<const Setting> settings,
                                      const Workload& work) {
    if (is_kernel(name)) return open_kernel(name, settings, work);
    std::unique_ptr<Session> session;
    visit_replay_model(name, [&]<class M>() { session = session_of<M>(configure<M>(settings), work); });
    return session;
}

std::unique_ptr<Session> open_null_session(const Workload& work) {
    switch (work.part) {
        case Part::pages:
            return session_of<NullPages>({}, work);
        case Part::areas:
        case Part::stacks:
            return session_of<NullAreas>({}, work);
        default:
            return session_of<NullObjects>({}, work);
    }
}

Part part_of(std::string_view name) {
    if (is_kernel(name)) return kernel_part(name);
    Part part{};
    visit_replay_model(name, [&]<class M>() { part = part_of(M::info.capabilities); });
    return part;
}

}  // namespace kmemlab::replay

#include "bench/replay/session.hpp"

#include "allocators/contract/registry.hpp"
#include "bench/replay/null_models.hpp"
#include "bench/replay/object_target.hpp"
#include "bench/replay/page_target.hpp"
#include "bench/replay/target_session.hpp"

namespace kmemlab::replay {
namespace {

template <class M>
inline constexpr bool replays_pages = M::info.capabilities.pages && !M::info.capabilities.object_caches;

template <class M>
std::unique_ptr<Session> session_of(const typename M::Config& config, const Workload& work) {
    if constexpr (replays_pages<M>) {
        return std::make_unique<TargetSession<PageTarget<M>>>(config, work);
    } else {
        return std::make_unique<TargetSession<ObjectTarget<M>>>(config, work);
    }
}

}  // namespace

std::unique_ptr<Session> open_session(std::string_view name, std::span<const Setting> settings,
                                      const Workload& work) {
    std::unique_ptr<Session> session;
    visit_model(name, [&]<class M>() { session = session_of<M>(configure<M>(settings), work); });
    return session;
}

std::unique_ptr<Session> open_null_session(const Workload& work) {
    if (work.layer == trace::Layer::pages) return session_of<NullPages>({}, work);
    return session_of<NullObjects>({}, work);
}

trace::Layer layer_of(std::string_view name) {
    trace::Layer layer{};
    visit_model(name,
                [&]<class M>() { layer = replays_pages<M> ? trace::Layer::pages : trace::Layer::objects; });
    return layer;
}

}  // namespace kmemlab::replay

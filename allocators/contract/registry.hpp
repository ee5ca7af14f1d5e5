/// The registry: one line per model in `Models`. Everything that runs over all allocators (conformance,
/// replay, benchmarks, fuzzing, the command line) is written once over this list. Models of your own, in a
/// header outside this tree, join by KMEMLAB_OWN_MODELS (docs/adding-an-allocator.md).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/contract/any_allocator.hpp"
#include "allocators/contract/libc_malloc.hpp"
#include "allocators/contract/models.hpp"
#include "allocators/contract/stack_models.hpp"
#include "allocators/contract/vmalloc_model.hpp"

#ifdef KMEMLAB_OWN_MODELS
#include KMEMLAB_OWN_MODELS
#else
namespace kmemlab {
using OwnModels = ModelList<>;
}
#endif

namespace kmemlab {

template <Model... Ms, Model... More>
ModelList<Ms..., More...> joined(ModelList<Ms...>, ModelList<More...>);

using Models = decltype(joined(
    ModelList<SlubModel, SheavesModel, SlabModel, SlobModel, BuddyModel, VmallocOfOneTree, VmallocOfNodes,
              DirectStackModel, VmappedStackModel, UncachedStackModel, DynamicStackModel, LibcMalloc>{},
    OwnModels{}));

/// Calls visit.operator()<M>() for each model, in the order of the table.
template <class Visit, Model... Ms>
void for_each_model(Visit&& visit, ModelList<Ms...>) {
    (visit.template operator()<Ms>(), ...);
}
template <class Visit>
void for_each_model(Visit&& visit) {
    for_each_model(visit, Models{});
}

/// The names of all models, in the order of the table.
[[nodiscard]] std::vector<std::string> model_names();

/// Throws UsageError that lists the valid names.
[[noreturn]] void refuse_model(std::string_view name);

/// Calls visit.operator()<M>() for the model of that name. Throws UsageError if there is none.
template <class Visit>
void visit_model(std::string_view name, Visit&& visit) {
    bool found = false;
    for_each_model([&]<class M>() {
        if (M::info.name != name) return;
        found = true;
        visit.template operator()<M>();
    });
    if (!found) refuse_model(name);
}

/// The model's configuration with those settings that it knows applied; UsageError if a value is refused.
template <Model M>
[[nodiscard]] typename M::Config configure(std::span<const Setting> settings) {
    typename M::Config config;
    apply_settings(settings, config.tunables());
    return config;
}

/// A fresh allocator by name. Settings that it does not know are left to check_settings().
[[nodiscard]] AnyAllocator make_allocator(std::string_view name, std::span<const Setting> settings = {});

/// A tunable as a model has it, for help texts and result files.
struct TunableValue {
    std::string key;
    std::string help;
    std::string accepted;
    std::string value;
};

template <Model M>
[[nodiscard]] std::vector<TunableValue> tunables_of(std::span<const Setting> settings = {}) {
    typename M::Config config = configure<M>(settings);
    std::vector<TunableValue> values;
    for (const Tunable& t : config.tunables())
        values.push_back({std::string{t.key}, std::string{t.help}, t.accepted, t.get()});
    return values;
}

/// The tunables of a model with the values that `settings` give them.
[[nodiscard]] std::vector<TunableValue> tunables_of(std::string_view name,
                                                    std::span<const Setting> settings = {});

/// Throws UsageError if a setting is known to none of the models named, or its value is refused.
void check_settings(std::span<const Setting> settings, std::span<const std::string> names);
/// The same for tunables of whatever allocators; a key may be among them several times.
void check_settings(std::span<const Setting> settings, std::span<const TunableValue> tunables);

}  // namespace kmemlab

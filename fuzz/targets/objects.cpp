/// Targets of the object allocators: each in the owned context (the code that is measured), and, where
/// marked points lie in them, in the simulated one, where strikes are the schedule.
#include "fuzz/machines/object_machine.hpp"
#include "fuzz/targets/target.hpp"

namespace kmemlab::fuzz {
namespace {

constexpr OpSet object_operations = op_set(
    OpKind::alloc, OpKind::alloc_many, OpKind::resize, OpKind::release, OpKind::release_bulk,
    OpKind::release_some, OpKind::cache_create, OpKind::cache_destroy, OpKind::cache_alloc,
    OpKind::cache_bulk, OpKind::shrink, OpKind::drain, OpKind::fail, OpKind::walk, OpKind::misuse_twice,
    OpKind::misuse_inside, OpKind::misuse_foreign, OpKind::misuse_cache, OpKind::damage);
constexpr OpSet slub_operations =
    object_operations |
    op_set(OpKind::flush, OpKind::tune, OpKind::validate, OpKind::misuse_overwrite, OpKind::misuse_use_freed);
constexpr OpSet sheaf_operations = object_operations | op_set(OpKind::flush, OpKind::misuse_overwrite);
constexpr OpSet slab_operations = object_operations | op_set(OpKind::flush, OpKind::tune, OpKind::advance);

const std::vector<Knob>& slub_knobs() {
    static const std::vector<Knob> knobs{
        {"slub.max_order", {"0", "1", "5"}},
        {"slub.min_objects", {"1", "4", "64"}},
        {"slub.cpu_partial", {"0", "1", "6", "30"}},
        {"slub.min_partial", {"0", "1", "10"}},
        {"slub.debug", {"FZPU", "FZ", "P", "U", "FZPU,kmalloc-64"}},
        {"slub.merge", {"0"}},
        {"slub.freelist_random", {"1"}},
        {"slub.freelist_hardened", {"1"}},
        {"slub.cpu_partial_lists", {"0"}},
        {"pcp.enabled", {"0"}},
        {"pcp.batch", {"1", "7"}},
        {"pcp.high", {"1", "16"}},
    };
    return knobs;
}
const std::vector<Knob>& sheaf_knobs() {
    static const std::vector<Knob> knobs{
        {"sheaves.capacity", {"4", "12", "60"}},
        {"sheaves.barn_full", {"0", "1", "2"}},
        {"sheaves.barn_empty", {"0", "1", "2"}},
        {"slub.max_order", {"0", "1"}},
        {"slub.min_partial", {"0", "1", "10"}},
        {"slub.debug", {"FZPU", "P", "FZPU,kmalloc-64"}},
        {"slub.merge", {"0"}},
        {"slub.freelist_random", {"1"}},
        {"slub.freelist_hardened", {"1"}},
        {"pcp.enabled", {"0"}},
    };
    return knobs;
}
const std::vector<Knob>& slab_knobs() {
    static const std::vector<Knob> knobs{
        {"slab.limit", {"1", "2", "5", "60"}},
        {"slab.batchcount", {"1", "2"}},
        {"slab.shared", {"0", "1", "8"}},
        {"slab.max_order", {"0", "1", "5"}},
        {"slab.merge", {"0"}},
        {"slab.freelist_random", {"1"}},
        {"pcp.enabled", {"0"}},
    };
    return knobs;
}
const std::vector<Knob>& slob_knobs() {
    static const std::vector<Knob> knobs{{"slob.track", {"0", "1"}}, {"pcp.enabled", {"0"}}};
    return knobs;
}

template <class Objects>
Target target(std::string_view name, std::string_view what, std::string_view entry, OpSet operations,
              const std::vector<Knob>& knobs) {
    return {.name = name,
            .what = what,
            .language = {name, operations, knobs},
            .make = [](const Setup& setup, const Language& language) -> std::unique_ptr<Machine> {
                return std::make_unique<ObjectMachine<Objects>>(setup, language);
            },
            .threaded = entry};
}

}  // namespace

std::vector<Target> object_targets() {
    return {
        target<SlubObjects<OwnedCpus>>("slub", "SLUB over buddy", "slub", slub_operations, slub_knobs()),
        target<SlubObjects<SimulatedCpus>>("slub-schedule", "SLUB, struck by other CPUs at marked points",
                                           "slub", slub_operations, slub_knobs()),
        target<SheafObjects<OwnedCpus>>("slub-sheaves", "SLUB with sheaves over buddy", "slub-sheaves",
                                        sheaf_operations, sheaf_knobs()),
        target<SheafObjects<SimulatedCpus>>("sheaves-schedule", "SLUB with sheaves, struck at marked points",
                                            "slub-sheaves", sheaf_operations, sheaf_knobs()),
        target<SlabObjects<OwnedCpus>>("slab", "SLAB over buddy", "slab", slab_operations, slab_knobs()),
        target<SlabObjects<SimulatedCpus>>("slab-schedule", "SLAB, struck at marked points", "slab",
                                           slab_operations, slab_knobs()),
        target<SlobObjects<OwnedCpus>>("slob", "SLOB over buddy", "slob", object_operations, slob_knobs()),
    };
}

}  // namespace kmemlab::fuzz
